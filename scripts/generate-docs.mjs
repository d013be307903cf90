// Writes docs/configuration.md from the tables of what each program reads. With --check it writes nothing and
// fails when the page is not what the tables say.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cliSettings } from '../packages/cli/dist/settings.js';
import { clientSettings } from '../packages/session-client/dist/settings.js';
import { describeAllowed, secretSettings } from '../packages/settings/dist/index.js';
import { syncSettings } from '../packages/sync-consumer/dist/settings.js';

const tables = { bot: clientSettings, consumer: syncSettings, cli: cliSettings };
const settings = Object.assign({}, ...Object.values(tables));

const page = join(import.meta.dirname, '../docs/configuration.md');
const text = renderPage();

if (!process.argv.includes('--check')) {
  mkdirSync(dirname(page), { recursive: true });
  writeFileSync(page, text);
} else if (readIfThere(page) !== text) {
  console.error('docs/configuration.md is not what the settings.ts of the packages say. Run: npm run docs');
  process.exitCode = 1;
}

function renderPage() {
  const rows = Object.entries(settings).map(([name, setting]) =>
    [
      `\`${name}\``,
      renderDefault(setting),
      // The unit has a column of its own.
      setting.kind === 'number' ? describeAllowed({ ...setting, unit: undefined }) : describeAllowed(setting),
      setting.unit ?? '',
      usersOf(name),
      setting.description + (setting.isSecret ? ' Secret: messages show only `***`.' : ''),
    ].map((cell) => cell.replaceAll('|', '\\|')),
  );
  const files = secretSettings(settings)
    .map((name) => `\`${name}_FILE\``)
    .join(' and ');
  return `# Configuration

<!-- Written by \`npm run docs\` from the settings.ts of the packages. Do not edit. -->

Settings are environment variables. Each program reads them once, at its start; when any are wrong it names all of
them and exits with code 2. An empty variable counts as not set. Bot, consumer and CLI of one deployment need the
same values for the settings they share.

\`cauce-sync\` and \`cauce\` take a secret setting from a file as well, such as a mounted secret:
${files} name the file. One of the two ways, not both.

${renderTable(['Setting', 'Default', 'Allowed', 'Unit', 'Used by', 'What it does'], rows)}
`;
}

function usersOf(name) {
  const readers = Object.entries(tables).filter(([, table]) => name in table);
  return readers.map(([program]) => program).join(', ');
}

function renderDefault(setting) {
  if (setting.default !== undefined) return `\`${setting.default}\``;
  return setting.isOptional ? 'none' : 'none: must be given';
}

/** Padded as the formatter wants it. */
function renderTable(head, rows) {
  const widths = head.map((_, column) =>
    Math.max(3, ...[head, ...rows].map((cells) => cells[column].length)),
  );
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
