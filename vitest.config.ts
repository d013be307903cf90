import { defineConfig } from 'vitest/config';

// Tests run on the sources: no build between an edit and its test. Child processes run the build.
// No 'import' condition: Node would resolve CommonJS requires of dependencies to their ESM builds.
const conditions = ['@cauce/source', 'node', 'module', 'default'];
const sources = { resolve: { conditions }, ssr: { resolve: { conditions } } };

export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        ...sources,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // Of properties that are tried often, on a busy machine.
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...sources,
        test: {
          name: 'model',
          include: ['test/model/**/*.test.ts'],
          testTimeout: 300_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...sources,
        test: {
          name: 'services',
          include: ['test/{dev-services,contract,integration,fault,cli,package,bench}/**/*.test.ts'],
          globalSetup: ['test/helpers/shared-servers.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
