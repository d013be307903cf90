interface SettingBase {
  /** What it does and when one would change it. */
  readonly description: string;
  /** Shown only as `***`. */
  readonly isSecret?: boolean;
}

export interface NumberSetting extends SettingBase {
  readonly kind: 'number';
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly unit?: 'ms' | 's' | 'bytes' | 'days' | 'rows' | 'sessions';
  readonly isPowerOfTwo?: boolean;
}

export interface BooleanSetting extends SettingBase {
  readonly kind: 'boolean';
  readonly default: boolean;
}

export interface TextSetting extends SettingBase {
  readonly kind: 'text';
  /** Undefined = it must be given where it is used, unless it is optional. */
  readonly default: string | undefined;
  readonly isOptional?: boolean;
  readonly pattern: RegExp;
  /** What the pattern allows, in words. */
  readonly allowed: string;
  /** What else is wrong with a text the pattern allows, without showing any of it. */
  readonly problem?: (text: string) => string | undefined;
}

export type Setting = NumberSetting | BooleanSetting | TextSetting;

/** The settings that a program reads, by the name of their environment variable. */
export type SettingsTable = Readonly<Record<string, Setting>>;

type ValueOf<S extends Setting> = S extends NumberSetting
  ? number
  : S extends BooleanSetting
    ? boolean
    : S extends { readonly default: string }
      ? string
      : string | undefined;

/** What the settings of a table are read as; those that are required are there. */
export type ValuesOf<Table extends SettingsTable, Required extends keyof Table = never> = {
  readonly [Name in keyof Table]: ValueOf<Table[Name]>;
} & { readonly [Name in Required]: NonNullable<ValueOf<Table[Name]>> };

export interface SettingProblem {
  readonly name: string;
  /** What was received, with secrets masked, and what is allowed. */
  readonly message: string;
}

/** What a setting allows, in words, for messages and docs. Pure. */
export function describeAllowed(setting: Setting): string {
  switch (setting.kind) {
    case 'boolean':
      return 'true, false, 1 or 0';
    case 'text':
      return setting.allowed;
    case 'number': {
      const what = setting.isPowerOfTwo ? 'a power of two' : 'a whole number';
      return `${what} from ${setting.min} to ${setting.max}${setting.unit ? ` ${setting.unit}` : ''}`;
    }
  }
}

/** Whether a value is of the setting's kind and within its bounds. Pure. */
export function isAllowed(setting: Setting, value: unknown): boolean {
  switch (setting.kind) {
    case 'boolean':
      return typeof value === 'boolean';
    case 'text':
      return typeof value === 'string' && setting.pattern.test(value);
    case 'number': {
      if (typeof value !== 'number' || !Number.isInteger(value)) return false;
      const isShaped = !setting.isPowerOfTwo || (value & (value - 1)) === 0;
      return value >= setting.min && value <= setting.max && isShaped;
    }
  }
}

/**
 * What is wrong with a value; undefined when nothing is. Pure.
 *
 * @param received the value as it was given
 */
export function problemOf(setting: Setting, value: unknown, received: unknown): string | undefined {
  if (!isAllowed(setting, value)) {
    const shown = setting.isSecret ? '***' : (JSON.stringify(received) ?? String(received));
    return `is ${shown}; allowed is ${describeAllowed(setting)}`;
  }
  const problem = setting.kind === 'text' ? setting.problem?.(String(value)) : undefined;
  return problem === undefined ? undefined : `is ***: it ${problem}`;
}
