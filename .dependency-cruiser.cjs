/**
 * protocol ← settings ← postgres ← session-client; postgres ← sync-consumer ← admin ← cli; protocol ← history ← cli. Client and
 * consumer never meet.
 */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'protocol-is-the-leaf',
      severity: 'error',
      from: { path: '^packages/protocol/' },
      to: { path: '^packages/(?!protocol/)' },
    },
    {
      name: 'settings-know-only-the-protocol',
      severity: 'error',
      from: { path: '^packages/settings/' },
      to: { path: '^packages/(?!protocol/|settings/)' },
    },
    {
      name: 'postgres-knows-protocol-and-settings',
      severity: 'error',
      from: { path: '^packages/postgres/' },
      to: { path: '^packages/(?!protocol/|settings/|postgres/)' },
    },
    {
      name: 'client-knows-protocol-and-postgres',
      severity: 'error',
      from: { path: '^packages/session-client/' },
      to: { path: '^packages/(?!protocol/|settings/|postgres/|session-client/)' },
    },
    {
      name: 'consumer-knows-protocol-and-postgres',
      severity: 'error',
      from: { path: '^packages/sync-consumer/' },
      to: { path: '^packages/(?!protocol/|settings/|postgres/|sync-consumer/)' },
    },
    {
      name: 'history-knows-only-the-protocol',
      severity: 'error',
      from: { path: '^packages/history/' },
      to: { path: '^packages/(?!protocol/|history/)' },
    },
    {
      name: 'admin-does-not-know-the-client',
      severity: 'error',
      from: { path: '^packages/admin/' },
      to: { path: '^packages/(?!protocol/|settings/|postgres/|sync-consumer/|admin/)' },
    },
    {
      name: 'cli-is-on-admin',
      comment: 'Of the consumer it has the settings and how to notice that npm is gone.',
      severity: 'error',
      from: { path: '^packages/cli/' },
      to: { path: '^packages/(?!protocol/|settings/|history/|admin/|sync-consumer/src/index\\.ts$|cli/)' },
    },
    {
      name: 'internals-are-for-admin',
      severity: 'error',
      from: { pathNot: '^packages/(admin|sync-consumer)/' },
      to: { path: '^packages/sync-consumer/src/internal\\.ts$' },
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
          '^packages/[^/]+/src/(index|postgres|metrics|loader|migrate|internal)\\.ts$',
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
      from: { path: '^packages/postgres/src/(index|loader)\\.ts$' },
      to: { path: '^packages/postgres/src/migrate\\.ts$', reachable: true },
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
