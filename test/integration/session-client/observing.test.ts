import type { OperationEvent } from '@cauce/session-client';
import { createSessionMetrics } from '@cauce/session-client/metrics';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { isolatedClient } from './client.ts';

it('every call is reported once, with its duration and its error code; an update with its steps', async () => {
  const events: OperationEvent[] = [];
  const { sessions } = isolatedClient({ observe: (event) => events.push(event) });
  await sessions.saveUserState('ana', {});
  await sessions.getUserState('ana');
  await sessions.getUserStates(['ana']);
  await sessions.updateUserState('ana', () => ({}));
  await sessions.saveUserState('ana', {}, { ifVersion: '0' }).catch(() => {});
  await sessions.updateUserState('ana', () => Promise.reject(new Error('mine'))).catch(() => {});
  await sessions.clearUserState('ana');
  await sessions.getTenantInfo('acme', () => 1);
  await sessions.invalidateTenant('acme');
  expect(events.map((event) => [event.operation, event.outcome === 'ok' ? 'ok' : event.code])).toEqual([
    ['save', 'ok'],
    ['load', 'ok'],
    ['loadMany', 'ok'],
    ['load', 'ok'],
    ['save', 'ok'],
    ['update', 'ok'],
    ['save', 'VERSION_CONFLICT'],
    ['load', 'ok'],
    ['update', 'OTHER'],
    ['clear', 'ok'],
    ['tenant', 'ok'],
    ['invalidateTenant', 'ok'],
  ]);
  expect(events.every(({ durationMs }) => durationMs > 0 && durationMs < 60_000)).toBe(true);
});

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
