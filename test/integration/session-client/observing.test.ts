import { createSessionMetrics } from '@cauce/session-client/metrics';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { isolatedClient } from './client.ts';

it('an observer that throws breaks no call', async () => {
  const { sessions } = isolatedClient({
    observe: () => {
      throw new Error('mine');
    },
  });
  await sessions.saveUserState('ana', { step: 'x' });
  expect(await sessions.getUserState('ana')).toEqual({ step: 'x' });
});

it('the metrics of real calls contain no id', async () => {
  const registry = new Registry();
  const { sessions } = isolatedClient({ observe: createSessionMetrics(registry).observe });
  await sessions.saveUserState('ana-maria', {});
  await sessions.saveUserState('ana-maria', {}, { ifVersion: '7' }).catch(() => {});
  await sessions.getUserState('ana-maria');
  const text = await registry.metrics();
  expect(text).toContain('cauce_save_duration_seconds_count{outcome="ok"} 1');
  expect(text).toContain('cauce_load_duration_seconds_count{outcome="ok"} 1');
  expect(text).toContain('cauce_save_errors_total{code="VERSION_CONFLICT"} 1');
  expect(text).not.toContain('ana-maria');
});
