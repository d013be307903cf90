import { spawnNode, spawnProcess } from '@cauce/dev-services';
import { describe, expect, it } from 'vitest';

describe('a spawned process', () => {
  it('is read line by line, written to, and waited for', async () => {
    const child = await spawnNode('-e', [
      `console.error('warned'); console.log('ready 1');
       process.stdin.once('data', (text) => { console.log('got ' + text); process.exit(7); });`,
    ]);
    expect(await child.waitForLine(/^ready \d$/)).toBe('ready 1');
    child.write('this');
    expect(await child.waitForLine('got')).toBe('got this');
    expect(await child.waitForLine('ready')).toBe('ready 1');
    expect(await child.exit).toEqual({ code: 7, signal: null });
    expect(child.isRunning).toBe(false);
    expect(child.output('stderr')).toBe('warned\n');
    expect(child.output()).toContain('got this');
  });

  it('is killed, also while paused', async () => {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const child = await spawnProcess('sleep', ['1000']);
      child.pause();
      expect(await child.kill(signal)).toEqual({ code: null, signal });
      expect(child.signal('SIGTERM')).toBe(false);
    }
  });

  it('that ends without the line awaited says what it wrote instead', async () => {
    const child = await spawnNode('-e', ['console.error("the reason"); process.exit(3)']);
    await expect(child.waitForLine('never')).rejects.toThrow(/it ended[\s\S]*the reason/);
    await expect(child.waitForLine('never', 1)).rejects.toMatchObject({ code: 'START_FAILED' });
  });

  it('that is silent is not awaited for ever', async () => {
    await using child = await spawnProcess('sleep', ['1000']);
    await expect(child.waitForLine('never', 20)).rejects.toThrow('20 ms');
  });

  it('that does not exist is an error', async () => {
    await expect(spawnProcess('/no/such/program')).rejects.toMatchObject({ code: 'START_FAILED' });
  });
});
