import { clientSettings } from '@cauce/session-client';
import { describeAllowed, type ParsedSettings, parseSettings, secretSettings } from '@cauce/settings';
import { syncSettings } from '@cauce/sync-consumer';
import { describe, expect, it } from 'vitest';
import { cliSettings } from '../../../packages/cli/src/settings.ts';
import { checkSettings } from '../../../packages/settings/src/parse-settings.ts';

/** What any program reads. */
const settings = { ...clientSettings, ...syncSettings, ...cliSettings };
type SettingName = keyof typeof settings;
const names = Object.keys(settings) as SettingName[];

function parse(
  env: Record<string, string | undefined>,
  required: SettingName[] = [],
): ParsedSettings<typeof settings> {
  return parseSettings(settings, env, required);
}

function parsedValue(name: SettingName, text: string): unknown {
  const parsed = parse({ [name]: text });
  return parsed.ok ? parsed.values[name] : undefined;
}

function problemsOf(env: Record<string, string | undefined>, required: SettingName[] = []) {
  const parsed = parse(env, required);
  return parsed.ok ? [] : parsed.problems;
}

it('an empty environment gives every default', () => {
  const parsed = parse({});
  if (!parsed.ok) expect.fail('refused');
  expect(parsed.values).toEqual(Object.fromEntries(names.map((name) => [name, settings[name].default])));
});

it('the names and defaults that were given are kept', () => {
  const parsed = parse({});
  if (!parsed.ok) expect.fail('refused');
  expect(parsed.values).toMatchObject({
    USE_REDIS_ONLY_SESSIONS: true,
    SESSION_SYNC_INTERVAL: 60_000,
    SESSION_TTL: 3600,
    TENANT_CACHE_TTL: 3600,
    SESSION_METRICS_ENABLED: true,
    SESSION_PARTITIONS: 64,
    SESSION_KEY_PREFIX: 'sess',
    SESSION_HISTORY_DAYS: 30,
    SESSION_MAX_STATE_BYTES: 262_144,
    SESSION_TENANT_BUDGET_BYTES: 0,
  });
});

it('all problems are reported at once, in the order of the table, with what was received and what is allowed', () => {
  const env = {
    SESSION_TTL: 'soon',
    SESSION_PARTITIONS: '63',
    USE_REDIS_ONLY_SESSIONS: 'yes',
    SYNC_LOG_LEVEL: 'loud',
    SESSION_SYNC_INTERVAL: '5000',
  };
  expect(problemsOf(env, ['REDIS_URL'])).toEqual([
    { name: 'REDIS_URL', message: 'is missing; give a redis://, redis+sentinel:// or redis+cluster:// URL' },
    { name: 'SESSION_PARTITIONS', message: 'is "63"; allowed is a power of two from 1 to 1024' },
    { name: 'SESSION_TTL', message: 'is "soon"; allowed is a whole number from 1 to 31536000 s' },
    { name: 'USE_REDIS_ONLY_SESSIONS', message: 'is "yes"; allowed is true, false, 1 or 0' },
    {
      name: 'SYNC_LOG_LEVEL',
      message: 'is "loud"; allowed is trace, debug, info, warn, error, fatal or silent',
    },
  ]);
});

it('a secret is never shown', () => {
  const env = { REDIS_URL: 'http://:s3cr3t-CANARY@host', DATABASE_URL: 'mysql://u:s3cr3t-CANARY@host' };
  const problems = problemsOf(env);
  expect(problems.map(({ name }) => name)).toEqual(['REDIS_URL', 'DATABASE_URL']);
  expect(JSON.stringify(problems)).not.toContain('CANARY');
  expect(problems[0]?.message).toContain('***');
});

it('a program reads what it needs and nothing else', () => {
  expect(parseSettings(cliSettings, { SYNC_HTTP_PORT: 'ten' }).ok).toBe(true);
  expect(parseSettings(syncSettings, { TENANT_CACHE_TTL: 'ten' }).ok).toBe(true);
  expect(parseSettings(clientSettings, { SYNC_BATCH_ROWS: 'ten' }).ok).toBe(true);
});

it('what programs share is described once', () => {
  for (const name of names) {
    const tables: readonly Record<string, unknown>[] = [clientSettings, syncSettings, cliSettings];
    const described = tables.flatMap((table) => (name in table ? [table[name]] : []));
    expect(new Set(described).size, name).toBe(1);
  }
});

it('values that are typed already are held to the same bounds, and get the same defaults', () => {
  const defaults = parse({});
  expect(checkSettings(settings, {})).toEqual(defaults);
  expect(checkSettings(settings, { SYNC_BATCH_ROWS: 7, SYNC_CLAIM_IDLE: undefined as never })).toEqual({
    ok: true,
    values: { ...(defaults.ok && defaults.values), SYNC_BATCH_ROWS: 7 },
  });
  const wrong = {
    SESSION_PARTITIONS: 63,
    SYNC_BATCH_ROWS: '7' as never,
    SESSION_METRICS_ENABLED: 1 as never,
    SESSION_DB_TABLE: '',
    DATABASE_URL: 'mysql://u:s3cr3t-CANARY@host',
  };
  const parsed = checkSettings(settings, wrong);
  expect(parsed.ok || parsed.problems.map(({ name }) => name).sort()).toEqual(Object.keys(wrong).sort());
  expect(JSON.stringify(parsed)).not.toContain('CANARY');
  expect(JSON.stringify(parsed)).toContain('is 63; allowed is a power of two from 1 to 1024');
});

it('every URL is marked as a secret', () => {
  expect(secretSettings(settings)).toEqual(names.filter((each) => each.endsWith('_URL')));
});

describe.each(names)('%s', (name) => {
  const setting = settings[name];

  it('is described, and says what is allowed', () => {
    expect(setting.description).toMatch(/^[A-Z0-9].{15,}\.$/s);
    expect(describeAllowed(setting).length).toBeGreaterThan(5);
  });

  it('takes its default when it is empty or blank, and accepts its default', () => {
    for (const text of ['', '  ']) {
      const parsed = parse({ [name]: text });
      expect(parsed.ok && parsed.values[name]).toBe(setting.default);
    }
    if (setting.default !== undefined)
      expect(parsedValue(name, String(setting.default))).toBe(setting.default);
  });

  if (setting.kind === 'number') {
    it('accepts its bounds and nothing beyond', () => {
      const { min, max } = setting;
      expect(parsedValue(name, String(min))).toBe(min);
      expect(parsedValue(name, ` ${max} `)).toBe(max);
      for (const text of [
        String(min - 1),
        String(max + 1),
        '1.5',
        '1e3',
        '0x10',
        '+5',
        'ten',
        'NaN',
        'Infinity',
        '٣',
      ]) {
        expect(problemsOf({ [name]: text }), text).toHaveLength(1);
      }
    });
  }

  if (setting.kind === 'boolean') {
    it('accepts true, false, 1 and 0 only', () => {
      expect(['true', '1', 'false', '0'].map((text) => parsedValue(name, text))).toEqual([
        true,
        true,
        false,
        false,
      ]);
      for (const text of ['TRUE', 'yes', 'on', '2'])
        expect(problemsOf({ [name]: text }), text).toHaveLength(1);
    });
  }
});

it.each<[SettingName, string]>([
  ['REDIS_URL', 'localhost:6379'],
  ['REDIS_URL', 'redis://'],
  ['DATABASE_URL', 'redis://x'],
  ['SESSION_KEY_PREFIX', 'a:b'],
  ['SESSION_KEY_PREFIX', 'a{b}'],
  ['SESSION_DB_SCHEMA', 'Public'],
  ['SESSION_DB_SCHEMA', 'a"; drop table x; --'],
  ['SESSION_DB_TABLE', '1abc'],
  ['SESSION_DB_TABLE', 'x'.repeat(51)],
  ['SYNC_HTTP_HOST', 'a b'],
])('%s refuses %j', (name, text) => {
  expect(problemsOf({ [name]: text }).map((problem) => problem.name)).toEqual([name]);
});

it.each<[SettingName, string]>([
  ['REDIS_URL', 'rediss://user:pass@host:6380/1'],
  ['DATABASE_URL', 'postgresql://u:p@host/db?sslmode=verify-full'],
  ['DATABASE_URL', 'postgres://host'],
  ['SESSION_DB_SCHEMA', '_bot_1'],
  ['SYNC_HTTP_HOST', '::1'],
  ['SESSION_KEY_PREFIX', 'eu-1.prod_a'],
])('%s takes %j', (name, text) => {
  expect(parsedValue(name, text)).toBe(text);
});

it('names it does not know are not its business', () => {
  expect(parse({ PATH: '/bin', SESSION_TTTL: '5' }).ok).toBe(true);
});

it('only required settings without a default may be missing', () => {
  expect(problemsOf({}, ['SESSION_TTL'])).toEqual([]);
  expect(problemsOf({}, ['REDIS_URL', 'DATABASE_URL'])).toHaveLength(2);
  expect(problemsOf({ REDIS_URL: 'redis://x' }, ['REDIS_URL'])).toEqual([]);
});
