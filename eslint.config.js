// Biome formats and lints fast; this adds what needs types: promises nobody awaits, and the package borders.
import tseslint from 'typescript-eslint';

const ofTheProgram = [
  { object: 'process', property: 'env', message: 'Take what you need as a parameter.' },
  { object: 'process', property: 'exit', message: 'Return or throw; main exits.' },
];
const ofTheClocks = [
  {
    object: 'Date',
    property: 'now',
    message: 'Take `now` for a wait or a duration, `wallClockMs` for a time of day.',
  },
  { object: 'performance', property: 'now', message: 'Take `now` as a dependency.' },
];

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/generated/**',
      '**/*.mjs',
      '**/*.cjs',
      'eslint.config.js',
      'vitest.config.ts',
    ],
  },
  {
    files: ['**/*.ts'],
    plugins: { '@typescript-eslint': tseslint.plugin },
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/use-unknown-in-catch-callback-variable': 'off',
    },
  },
  {
    files: ['packages/*/src/**/*.ts'],
    rules: { '@typescript-eslint/explicit-module-boundary-types': 'error' },
  },
  {
    // Each program reads its environment, prints and exits in one place.
    files: ['packages/*/src/**/*.ts'],
    ignores: [
      'packages/sync-consumer/src/main.ts',
      'packages/cli/src/main.ts',
      'packages/dev-services/src/environment.ts',
      'packages/example-bot/src/{demo,start,bot-process}.ts',
    ],
    rules: { 'no-restricted-properties': ['error', ...ofTheProgram] },
  },
  {
    // Time comes from the clocks that are handed in: a step of the host's own must not change what waits.
    files: ['packages/{admin,postgres,protocol,session-client,sync-consumer}/src/**/*.ts'],
    ignores: ['packages/protocol/src/clocks.ts', 'packages/sync-consumer/src/main.ts'],
    rules: { 'no-restricted-properties': ['error', ...ofTheProgram, ...ofTheClocks] },
  },
);
