/** What one sync consumer has done since its start. */
export interface ConsumerCounters {
  /** Rows written to PostgreSQL. */
  readonly rows: number;
  /** Statements that wrote them. */
  readonly statements: number;
}

const SCRAPE_TIMEOUT_MS = 2000;

/** Reads a consumer's /metrics; undefined when it does not answer. */
export async function scrapeConsumer(httpUrl: string): Promise<ConsumerCounters | undefined> {
  try {
    const response = await fetch(`${httpUrl}/metrics`, { signal: AbortSignal.timeout(SCRAPE_TIMEOUT_MS) });
    const text = await response.text();
    return {
      rows: readSample(text, 'cauce_synced_sessions_total{outcome="written"}'),
      statements: readSample(text, 'cauce_statement_duration_seconds_count'),
    };
  } catch {
    return undefined;
  }
}

function readSample(text: string, name: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.slice(name.length) ?? 0);
}
