const WIDTH = 720;
const HEIGHT = 420;
const LEFT = 70;
const RIGHT = 210;
const TOP = 44;
const BOTTOM = 56;
/** Told apart also without seeing red and green (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];
const LINEAR_TICKS = 5;

export interface Axis {
  readonly label: string;
  readonly isLog?: boolean;
  /** It begins here at the latest. */
  readonly from?: number;
}

export interface Point {
  readonly x: number;
  readonly median: number;
  readonly low?: number;
  readonly high?: number;
}

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

export interface Plot {
  /** Of its file. */
  readonly name: string;
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

/** From a value to its place, with the values worth a tick. */
interface Scale {
  (value: number): number;
  readonly ticks: readonly number[];
}

/**
 * Draws lines with a bar from the lowest to the highest value at each point.
 *
 * @returns an SVG document
 */
export function renderPlot({ title, x, y, series }: Plot): string {
  const points = series.flatMap((one) => one.points);
  const toX = createScale(
    points.map((point) => point.x),
    [LEFT, WIDTH - RIGHT],
    x,
  );
  const toY = createScale(
    points.flatMap(({ median, low = median, high = median }) => [low, median, high]),
    [HEIGHT - BOTTOM, TOP],
    y,
  );
  const xTicks = [...new Set(points.map((point) => point.x))];
  const body = [
    text(LEFT, 24, title, 'font-size="15" font-weight="bold"'),
    ...toY.ticks.flatMap((value) => [
      line(LEFT, toY(value), WIDTH - RIGHT, toY(value), '#ddd'),
      text(LEFT - 8, toY(value) + 4, format(value), 'text-anchor="end"'),
    ]),
    ...xTicks.flatMap((value) => [
      line(toX(value), HEIGHT - BOTTOM, toX(value), HEIGHT - BOTTOM + 5, '#333'),
      text(toX(value), HEIGHT - BOTTOM + 20, format(value), 'text-anchor="middle"'),
    ]),
    line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, '#333'),
    line(LEFT, TOP, LEFT, HEIGHT - BOTTOM, '#333'),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x.label, 'text-anchor="middle"'),
    text(
      0,
      0,
      y.label,
      `text-anchor="middle" transform="translate(18 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)"`,
    ),
    ...series.flatMap((one, i) => renderSeries(one, i, { toX, toY })),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#222">
<title>${escapeXml(title)}</title>
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
${body.join('\n')}
</svg>
`;
}

function renderSeries(
  { name, points }: Series,
  index: number,
  { toX, toY }: { readonly toX: Scale; readonly toY: Scale },
): string[] {
  const colour = COLOURS[index % COLOURS.length] ?? '#000000';
  const path = points.map(({ x, median }) => `${round(toX(x))},${round(toY(median))}`).join(' ');
  const legendY = TOP + 10 + index * 22;
  return [
    `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...points.flatMap(({ x, median, low = median, high = median }) => [
      line(toX(x), toY(low), toX(x), toY(high), colour),
      `<circle cx="${round(toX(x))}" cy="${round(toY(median))}" r="4" fill="${colour}"/>`,
    ]),
    line(WIDTH - RIGHT + 16, legendY, WIDTH - RIGHT + 36, legendY, colour),
    text(WIDTH - RIGHT + 42, legendY + 4, name),
  ];
}

function createScale(
  values: readonly number[],
  [start, end]: readonly [number, number],
  { isLog = false, from }: Axis,
): Scale {
  const least = Math.min(...values, from ?? Number.POSITIVE_INFINITY);
  const most = Math.max(...values);
  const ticks = isLog ? powersAround(least, most) : stepsAround(least, most);
  const measure = isLog ? Math.log10 : (value: number) => value;
  const first = measure(Math.min(least, ...ticks));
  const last = measure(Math.max(most, ...ticks));
  const scale = (value: number) => start + ((measure(value) - first) / (last - first || 1)) * (end - start);
  return Object.assign(scale, { ticks });
}

/** 1, 2 and 5 times the powers of ten; the powers alone where that is too many. */
function powersAround(least: number, most: number): number[] {
  const exponents: number[] = [];
  for (let exponent = Math.floor(Math.log10(least)); exponent <= Math.ceil(Math.log10(most)); exponent++) {
    exponents.push(exponent);
  }
  const factors = exponents.length > 4 ? [1] : [1, 2, 5];
  const all = exponents.flatMap((exponent) => factors.map((factor) => factor * 10 ** exponent));
  const first = all.findLastIndex((value) => value <= least);
  const last = all.findIndex((value) => value >= most);
  return all.slice(Math.max(0, first), last === -1 ? all.length : last + 1);
}

function stepsAround(least: number, most: number): number[] {
  const rough = (most - least || 1) / LINEAR_TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const ticks: number[] = [];
  for (let i = Math.floor(least / step); i <= Math.ceil(most / step); i++) ticks.push(i * step);
  return ticks;
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${colour}"/>`;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escapeXml(content)}</text>`;
}

const round = (value: number) => Math.round(value * 10) / 10;
const format = (value: number) =>
  Number(value.toPrecision(6)).toLocaleString('en', { maximumFractionDigits: 4 });

function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
