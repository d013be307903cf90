import {
  describeAllowed,
  problemOf,
  type Setting,
  type SettingProblem,
  type SettingsTable,
  type ValuesOf,
} from './setting.ts';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

export type ParsedSettings<Table extends SettingsTable, Required extends keyof Table = never> =
  | { readonly ok: true; readonly values: ValuesOf<Table, Required> }
  | { readonly ok: false; readonly problems: readonly SettingProblem[] };

/**
 * Reads the settings of a table from an environment; an empty variable counts as not set. Reports all problems at once.
 * Pure: it reads no environment of its own.
 *
 * @param required settings without a default that must be there
 */
export function parseSettings<Table extends SettingsTable, const Required extends keyof Table = never>(
  table: Table,
  env: Environment,
  required: readonly Required[] = [],
): ParsedSettings<Table, Required> {
  return collect(table, required, (name, setting) => {
    const text = env[name]?.trim();
    return text ? { value: parseText(setting, text), received: text } : undefined;
  });
}

/**
 * The same for values that are parsed already, such as options of a function: checks them, and fills in the defaults.
 * Undefined counts as not given. Pure.
 */
export function checkSettings<Table extends SettingsTable>(
  table: Table,
  given: Partial<ValuesOf<Table>>,
): ParsedSettings<Table> {
  return collect(table, [], (name) => {
    const value = given[name];
    return value === undefined ? undefined : { value, received: value };
  });
}

interface Given {
  readonly value: unknown;
  /** The value as it was given. */
  readonly received: unknown;
}

function collect<Table extends SettingsTable, Required extends keyof Table>(
  table: Table,
  required: readonly Required[],
  read: (name: string, setting: Setting) => Given | undefined,
): ParsedSettings<Table, Required> {
  const values: Record<string, unknown> = {};
  const problems: SettingProblem[] = [];
  const names: readonly (keyof Table)[] = required;
  for (const [name, setting] of Object.entries<Setting>(table)) {
    const given = read(name, setting);
    values[name] = given ? given.value : setting.default;
    const isMissing = values[name] === undefined && names.includes(name);
    const missing = isMissing ? `is missing; give ${describeAllowed(setting)}` : undefined;
    const message = given ? problemOf(setting, given.value, given.received) : missing;
    if (message !== undefined) problems.push({ name, message });
  }
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, values: values as ValuesOf<Table, Required> };
}

/** Undefined: it is of another kind. */
function parseText(setting: Setting, text: string): string | number | boolean | undefined {
  switch (setting.kind) {
    case 'boolean':
      if (text === 'true' || text === '1') return true;
      return text === 'false' || text === '0' ? false : undefined;
    case 'text':
      return text;
    case 'number':
      return /^\d+$/.test(text) ? Number(text) : undefined;
  }
}
