import { defineConfig } from 'vitest/config';

// Tests run on the sources: no build between an edit and its test. Child processes run the build.
// No 'import' condition: Node would resolve CommonJS requires of dependencies to their ESM builds.
const conditions = ['@cauce/source', 'node', 'module', 'default'];
const sources = { resolve: { conditions }, ssr: { resolve: { conditions } } };

const shared = {
  // No module has a state: what one test file imported serves the next one, which is half of the time of most.
  isolate: false,
  // What is awaited on a busy machine; a test that waits for something says so itself.
  expect: { poll: { timeout: 30_000 } },
};

export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        ...sources,
        test: {
          ...shared,
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // Of properties that are tried often, on a busy machine.
          testTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...sources,
        test: {
          ...shared,
          name: 'model',
          include: ['test/model/**/*.test.ts'],
          testTimeout: 600_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...sources,
        test: {
          ...shared,
          name: 'services',
          include: [
            'test/{dev-services,contract,conformance,integration,fault,cli,package,bench}/**/*.test.ts',
          ],
          globalSetup: ['test/helpers/shared-servers.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // More than there are cores: most tests wait for a server or a process most of the time.
          maxWorkers: 5,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
