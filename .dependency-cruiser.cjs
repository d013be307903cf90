/** Which packages each package may use: only some of those above it, so no arrow leads backwards. */
const mayUse = {
  protocol: [],
  settings: ['protocol'],
  postgres: ['protocol', 'settings'],
  'session-client': ['protocol', 'settings', 'postgres'],
  'sync-consumer': ['protocol', 'settings', 'postgres'],
  admin: ['protocol', 'settings', 'postgres', 'sync-consumer'],
  history: ['protocol'],
  cli: ['protocol', 'settings', 'sync-consumer', 'admin', 'history'],
  'dev-services': [],
  'example-bot': [
    'protocol',
    'settings',
    'postgres',
    'session-client',
    'sync-consumer',
    'admin',
    'dev-services',
  ],
};

const names = Object.keys(mayUse);
const packageRules = Object.entries(mayUse).map(([name, used], position) => {
  const backwards = used.filter((other) => !names.slice(0, position).includes(other));
  if (backwards.length > 0) throw new Error(`${name} may not use ${backwards}: not above it.`);
  return {
    name: `${name}-uses-${used.join('-and-') || 'no-other-package'}`,
    severity: 'error',
    from: { path: `^packages/${name}/` },
    to: { path: `^packages/(?!(${[name, ...used].join('|')})/)` },
  };
});

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    ...packageRules,
    {
      name: 'every-package-is-listed-here',
      severity: 'error',
      from: { path: `^packages/(?!(${names.join('|')})/)` },
      to: {},
    },
    {
      name: 'internals-are-for-admin',
      severity: 'error',
      from: { pathNot: '^packages/(admin|sync-consumer)/' },
      to: { path: '^packages/sync-consumer/src/internal\\.ts$' },
    },
    {
      name: 'redis-knows-nothing-of-the-wire',
      comment: 'What lies in Redis is built on how Redis is reached, never the other way round.',
      severity: 'error',
      from: { path: '^packages/protocol/src/redis/' },
      to: { path: '^packages/protocol/src/wire/' },
    },
    {
      name: 'errors-know-neither-redis-nor-the-wire',
      severity: 'error',
      from: { path: '^packages/protocol/src/[^/]+\\.ts$', pathNot: '^packages/protocol/src/index\\.ts$' },
      to: { path: '^packages/protocol/src/(redis|wire)/' },
    },
    {
      name: 'only-entry-points-of-other-packages',
      comment: 'A package may use its own files and the index of others.',
      severity: 'error',
      from: { path: '^packages/([^/]+)/' },
      to: {
        path: '^packages/[^/]+/src/',
        pathNot: [
          '^packages/$1/',
          '^packages/[^/]+/src/(index|postgres|metrics|loader|direct|migrate|internal)\\.ts$',
        ],
      },
    },
    {
      name: 'no-pg-in-the-bots-main-entry',
      comment: 'pg is an optional peer: who does not use the loader for PostgreSQL does not have it.',
      severity: 'error',
      from: { path: '^packages/(protocol|session-client)/src/(index|metrics)\\.ts$' },
      to: { path: '(^|/)node_modules/pg/', reachable: true },
    },
    {
      name: 'no-migrator-in-the-loader',
      comment: 'node-pg-migrate is an optional peer, of those who migrate alone.',
      severity: 'error',
      from: { path: '^packages/postgres/src/(index|loader|direct)\\.ts$' },
      to: { path: '^packages/postgres/src/migrate\\.ts$', reachable: true },
    },
    {
      name: 'the-proof-uses-what-users-have',
      comment: 'A crash run and a benchmark prove what is published, so they import nothing else.',
      severity: 'error',
      from: { path: '^(bench|test/(?:crash|fixtures|mutants))/' },
      to: {
        path: '^(?:packages/[^/]+/src|bench|test)/',
        pathNot: ['^$1/', '^packages/[^/]+/src/(index|postgres|metrics|loader|migrate)\\.ts$'],
      },
    },
    {
      name: 'nothing-imports-tests-or-bench',
      severity: 'error',
      from: { path: '^packages/' },
      to: { path: '^(test|bench)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@cauce/source', 'import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.json'],
    },
  },
};
