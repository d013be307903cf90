/**
 * protocol ← session-client, protocol ← sync-consumer ← cli, protocol ← history ← cli. Client and consumer never meet.
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
      name: 'client-knows-only-the-protocol',
      severity: 'error',
      from: { path: '^packages/session-client/' },
      to: { path: '^packages/(?!protocol/|session-client/)' },
    },
    {
      name: 'consumer-knows-only-the-protocol',
      severity: 'error',
      from: { path: '^packages/sync-consumer/' },
      to: { path: '^packages/(?!protocol/|sync-consumer/)' },
    },
    {
      name: 'history-knows-only-the-protocol',
      severity: 'error',
      from: { path: '^packages/history/' },
      to: { path: '^packages/(?!protocol/|history/)' },
    },
    {
      name: 'cli-does-not-know-the-client',
      severity: 'error',
      from: { path: '^packages/cli/' },
      to: { path: '^packages/(?!protocol/|history/|sync-consumer/|cli/)' },
    },
    {
      name: 'only-entry-points-of-other-packages',
      comment: 'A package may use its own files and the index of others.',
      severity: 'error',
      from: { path: '^packages/([^/]+)/' },
      to: {
        path: '^packages/[^/]+/src/',
        pathNot: ['^packages/$1/', '^packages/[^/]+/src/(index|postgres|metrics)\\.ts$'],
      },
    },
    {
      name: 'no-pg-in-the-bots-main-entry',
      severity: 'error',
      from: {
        path: '^packages/(protocol|session-client)/src/',
        pathNot: '^packages/session-client/src/postgres(-transaction)?\\.ts$',
      },
      to: { path: 'node_modules/pg/' },
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
