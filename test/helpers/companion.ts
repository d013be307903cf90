/** The quoted name of a table that goes with the one of the sessions. */
export function companion(table: string, name: 'conflict' | 'layout' | 'identity'): string {
  return table.replace(/"$/, `_${name}"`);
}
