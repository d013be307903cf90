/** A process of the demo ended on its own. The message ends with what it wrote last. */
export class ChildFailure extends Error {
  constructor(name: string, how: string, output: string) {
    super(`${name} ended (${how}). It wrote last:\n${lastLines(output).replace(/^/gm, '  ')}`);
    this.name = 'ChildFailure';
  }
}

export function describeExit(exit: { readonly code: number | null; readonly signal: string | null }): string {
  return exit.signal === null ? `exit code ${exit.code}` : exit.signal;
}

function lastLines(output: string, count = 12): string {
  return output.trim() === '' ? '(nothing)' : output.trimEnd().split('\n').slice(-count).join('\n');
}
