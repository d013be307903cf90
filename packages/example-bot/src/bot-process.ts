/** The bot as a process of its own: `node bot-process.js <TalkPlan as JSON>`, settings from the environment. */
import { createSessionClient, parseSettings, sessionClientOptionsFrom } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { createBot } from './bot.ts';
import type { BotReport, FromBot, TalkPlan, ToBot } from './bot-messages.ts';
import type { ChatState } from './conversation.ts';
import { rememberSaves } from './remember-saves.ts';
import { createSaveLatency } from './save-latency.ts';
import { simulateUsers } from './simulate-users.ts';

const REPORT_MS = 500;
/** 2 s of reports. */
const RECENT_SLOTS = 4;
const CHUNK_SESSIONS = 500;
/** A restore is slow when PostgreSQL is far away, and all users come within a few seconds. */
const LOADS_AT_A_TIME = 20;

await main(JSON.parse(process.argv[2] ?? '{}') as TalkPlan);

async function main(plan: TalkPlan): Promise<void> {
  const parsed = parseSettings(process.env, ['REDIS_URL', 'DATABASE_URL']);
  if (!parsed.ok)
    throw new Error(parsed.problems.map(({ name, message }) => `${name} ${message}`).join('\n'));
  const settings = parsed.values;
  const latency = createSaveLatency(RECENT_SLOTS);
  const counts = { saved: 0, cleared: 0 };

  await using loader = createPostgresLoader({
    databaseUrl: settings.DATABASE_URL,
    schema: settings.SESSION_DB_SCHEMA,
    table: settings.SESSION_DB_TABLE,
    maxConcurrent: LOADS_AT_A_TIME,
    timeoutMs: 5000,
  });
  await using client = createSessionClient<ChatState>({
    ...sessionClientOptionsFrom(settings),
    loader,
    observe: ({ operation, outcome, durationMs }) => {
      if (outcome !== 'ok' || (operation !== 'save' && operation !== 'clear')) return;
      latency.record(durationMs);
      counts[operation === 'save' ? 'saved' : 'cleared'] += 1;
    },
  });
  const sessions = rememberSaves(client);
  const stop = new AbortController();
  const users = simulateUsers(createBot(sessions), plan, stop.signal);

  // Whoever started this process is gone: there is nobody to report to.
  process.once('disconnect', () => process.exit());
  process.on('message', (message: ToBot) => {
    if (message.kind === 'stop') stop.abort();
  });
  const report = (): BotReport => ({
    counts: { ...counts, ...sessions.repeats, unanswered: users.unanswered },
    recent: latency.recent(),
    total: latency.total(),
  });
  const timer = setInterval(() => {
    send({ kind: 'report', report: report() });
    latency.roll();
  }, REPORT_MS);
  try {
    await users.finished;
  } finally {
    clearInterval(timer);
  }
  send({ kind: 'report', report: report() });
  sendMemory(sessions.acknowledged());
}

function sendMemory(sessions: Extract<FromBot, { kind: 'memory' }>['sessions']): void {
  for (let start = 0; start === 0 || start < sessions.length; start += CHUNK_SESSIONS) {
    const end = start + CHUNK_SESSIONS;
    send({ kind: 'memory', sessions: sessions.slice(start, end), isLast: end >= sessions.length });
  }
}

function send(message: FromBot): void {
  process.send?.(message);
}
