import {
  type Environment,
  metricsSettings,
  type ParsedSettings as Parsed,
  parseSettings as parse,
  type SettingsTable,
  storeSettings,
  type ValuesOf,
} from '@cauce/settings';

/** The settings that a bot reads, by the name of their environment variable. */
export const clientSettings = {
  ...storeSettings,
  ...metricsSettings,
  USE_REDIS_ONLY_SESSIONS: {
    kind: 'boolean',
    default: true,
    description:
      'Whether the bot keeps its sessions in Redis. Cauce only parses it; the bot chooses its store by it.',
  },
  TENANT_CACHE_TTL: {
    kind: 'number',
    default: 3600,
    min: 1,
    max: 31_536_000,
    unit: 's',
    description: 'How long the data of a tenant is cached.',
  },
  SESSION_MAX_STATE_BYTES: {
    kind: 'number',
    default: 262_144,
    min: 2,
    max: 8_388_608,
    unit: 'bytes',
    description: 'Largest state accepted, as JSON text in UTF-8.',
  },
  SESSION_TENANT_BUDGET_BYTES: {
    kind: 'number',
    default: 0,
    min: 0,
    max: 1_000_000_000_000,
    unit: 'bytes',
    description:
      'Most unsynced bytes of one tenant in Redis; saves beyond it are refused. Give all bots the same. It is divided over the partitions; each gets at least one largest state. 0: no budget.',
  },
} as const satisfies SettingsTable;

export type SettingName = keyof typeof clientSettings;
export type Settings = ValuesOf<typeof clientSettings>;

export type ParsedSettings<Required extends SettingName = never> = Parsed<typeof clientSettings, Required>;

/**
 * Reads every setting of a bot from an environment; an empty variable counts as not set. Reports all problems at once.
 * Pure: it reads no environment of its own.
 *
 * @param required settings without a default that must be there
 */
export function parseSettings<const Required extends SettingName = never>(
  env: Environment,
  required: readonly Required[] = [],
): ParsedSettings<Required> {
  return parse(clientSettings, env, required);
}
