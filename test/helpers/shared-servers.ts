import { startServices } from '@cauce/dev-services';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    redisUrl: string;
    databaseUrl: string;
  }
}

/** One private Redis and one private PostgreSQL for all test files; each test takes its own prefix and schema. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const services = await startServices();
  project.provide('redisUrl', services.redis.url);
  project.provide('databaseUrl', services.postgres.url);
  return () => services.stop();
}
