import { encodeId, printable, type SessionRef } from '@cauce/protocol';

/** `tenant:user`, percent-encoded as in the keys, so that it can be pasted back and holds no control character. */
export function sessionName({ tenantId, userId }: SessionRef): string {
  return `${encodeId(tenantId, 'tenant id')}:${encodeId(userId, 'user id')}`;
}

/** `87 ms`, `3.2 s`, `5 min 12 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  if (ms < 1) return `${Number(ms.toFixed(3))} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

/** `3.2 s ago`, `in 5 min 12 s`, `now`. */
export function relativeTime(atMs: number, nowMs: number): string {
  const distanceMs = nowMs - atMs;
  if (Math.abs(distanceMs) < 500) return 'now';
  return distanceMs > 0 ? `${duration(distanceMs)} ago` : `in ${duration(-distanceMs)}`;
}

/** `512 B`, `1.4 KiB`, `100.0 MiB`. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `12,345` */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `1 session`, `2 sessions` */
export function counted(value: number, singular: string, plural = `${singular}s`): string {
  return `${count(value)} ${value === 1 ? singular : plural}`;
}

/** Columns aligned with spaces; numbers to the right. */
export function table(headers: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) =>
    row.map((cell) => (typeof cell === 'number' ? count(cell) : printable(cell))),
  );
  const widths = headers.map((header, column) =>
    Math.max(header.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const isNumeric = headers.map((_, column) => rows.every((row) => typeof row[column] === 'number'));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return isNumeric[column] && rows.length > 0 ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [line(headers), ...cells.map(line)].join('\n');
}

/** A label and its value on each line, indented. */
export function fields(entries: readonly (readonly [label: string, value: string | number])[]): string {
  const width = Math.max(0, ...entries.map(([label]) => label.length));
  return entries
    .map(
      ([label, value]) =>
        `  ${label.padEnd(width)}  ${typeof value === 'number' ? count(value) : printable(value)}`,
    )
    .join('\n');
}
