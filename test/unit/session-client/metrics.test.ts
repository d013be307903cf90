import { cauceErrorCodes } from '@cauce/protocol';
import { createSessionMetrics } from '@cauce/session-client/metrics';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';

it('counts saves and loads by outcome and failed saves by code, and nothing else', async () => {
  const registry = new Registry();
  const { observe } = createSessionMetrics(registry);
  observe({ operation: 'save', outcome: 'ok', durationMs: 3 });
  observe({ operation: 'clear', outcome: 'failed', code: 'SAVE_REJECTED', durationMs: 1 });
  observe({ operation: 'load', outcome: 'ok', durationMs: 30 });
  observe({ operation: 'loadMany', outcome: 'failed', code: 'RESTORE_FAILED', durationMs: 30 });
  observe({ operation: 'update', outcome: 'failed', code: 'OTHER', durationMs: 30 });
  const text = await registry.metrics();
  expect(text).toContain('cauce_save_duration_seconds_bucket{le="0.005",outcome="ok"} 1');
  expect(text).toContain('cauce_save_duration_seconds_bucket{le="0.002",outcome="ok"} 0');
  expect(text).toContain('cauce_save_duration_seconds_count{outcome="failed"} 1');
  expect(text).toContain('cauce_load_duration_seconds_count{outcome="ok"} 1');
  expect(text).toContain('cauce_load_duration_seconds_count{outcome="failed"} 1');
  expect(text.match(/^cauce_save_errors_total.* [^0]$/gm)).toEqual([
    'cauce_save_errors_total{code="SAVE_REJECTED"} 1',
  ]);
});

it('every series is there before anything happened, so that its first increase is seen', async () => {
  const registry = new Registry();
  createSessionMetrics(registry);
  const text = await registry.metrics();
  for (const code of [...cauceErrorCodes, 'OTHER'])
    expect(text).toContain(`cauce_save_errors_total{code="${code}"} 0`);
  for (const outcome of ['ok', 'failed']) {
    expect(text).toContain(`cauce_save_duration_seconds_count{outcome="${outcome}"} 0`);
    expect(text).toContain(`cauce_load_duration_seconds_count{outcome="${outcome}"} 0`);
  }
});
