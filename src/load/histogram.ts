// A histogram of latencies: logarithmic buckets, fixed memory, nothing allocated per value, quantiles right to 0.4%.

import { UnderloopError, argumentError } from '../errors.js';

/** Linear steps within each power of two, as a power of two: a bucket is 1/128 of its lower bound wide. */
const STEPS_LOG2 = 7;
const STEPS = 1 << STEPS_LOG2;
/** Values from 1 to 2^43: in nanoseconds, to 2.4 hours, beyond the longest wait that a request may ask for. */
const OCTAVES = 43;
/** The first bucket is for what is below 1. */
const BUCKETS = 1 + OCTAVES * STEPS;

// A double's exponent and the first bits of its mantissa, read as one integer, are a logarithmic bucket's number: no
// logarithm and no branch per octave.
const scratch = new Float64Array(1);
const words = new Uint32Array(scratch.buffer);
scratch[0] = 1;
const HIGH_WORD = words[1] === 0 ? 0 : 1;
const MANTISSA_SHIFT = 20 - STEPS_LOG2;
const EXPONENT_OF_1 = 1023 << STEPS_LOG2;

/** The quantiles that a report shows. Same unit as what was recorded. */
export interface HistogramSummary {
  count: number;
  mean: number;
  min: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  p9999: number;
  max: number;
}

/** What {@link Histogram.toJSON} gives: only the buckets that hold something, as pairs of number and count. */
export interface HistogramJson {
  version: 1;
  stepsLog2: number;
  count: number;
  sum: number;
  min: number;
  max: number;
  buckets: number[];
}

export class Histogram {
  /** Doubles, so that no run is long enough to overflow a bucket. */
  private readonly buckets = new Float64Array(BUCKETS);
  count = 0;
  sum = 0;
  private least = Infinity;
  private most = -Infinity;

  /** Counts one value, a number of at least 0; in the load generator nanoseconds. Values of 2^43 and more share a bucket. */
  record(value: number): void {
    if (!(value >= 0 && value < Infinity))
      throw argumentError('value', 'a finite number of at least 0', value);
    this.buckets[bucketOf(value)]++;
    this.count++;
    this.sum += value;
    if (value < this.least) this.least = value;
    if (value > this.most) this.most = value;
  }

  get min(): number {
    return this.count === 0 ? 0 : this.least;
  }
  get max(): number {
    return this.count === 0 ? 0 : this.most;
  }
  get mean(): number {
    return this.count === 0 ? 0 : this.sum / this.count;
  }

  /**
   * The smallest recorded value that at least `quantile` (0 to 1) of all values do not exceed, by the middle of its
   * bucket: at most 0.4% off. 0 when nothing was recorded.
   */
  quantile(quantile: number): number {
    if (!(quantile >= 0 && quantile <= 1)) throw argumentError('quantile', 'a number from 0 to 1', quantile);
    if (this.count === 0) return 0;
    // 0.9 * 10 is 9.000000000000002 or the like for some counts: the rank shall not be one too high for that.
    const rank = Math.max(1, Math.ceil(quantile * this.count - 1e-9 * this.count));
    if (rank >= this.count) return this.most;
    let below = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      below += this.buckets[bucket];
      if (below >= rank) return Math.min(Math.max(middleOf(bucket), this.least), this.most);
    }
    return this.most;
  }

  /** Null when nothing was recorded: there is no median of nothing, and 0 would look like a very good one. */
  summary(): HistogramSummary | null {
    if (this.count === 0) return null;
    return {
      count: this.count,
      mean: this.mean,
      min: this.least,
      p50: this.quantile(0.5),
      p90: this.quantile(0.9),
      p99: this.quantile(0.99),
      p999: this.quantile(0.999),
      p9999: this.quantile(0.9999),
      max: this.most,
    };
  }

  /** Adds what `other` has recorded. */
  merge(other: Histogram): this {
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.buckets[bucket] += other.buckets[bucket];
    this.count += other.count;
    this.sum += other.sum;
    this.least = Math.min(this.least, other.least);
    this.most = Math.max(this.most, other.most);
    return this;
  }

  reset(): void {
    this.buckets.fill(0);
    this.count = this.sum = 0;
    this.least = Infinity;
    this.most = -Infinity;
  }

  toJSON(): HistogramJson {
    const buckets: number[] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (this.buckets[bucket] > 0) buckets.push(bucket, this.buckets[bucket]);
    }
    const { count, sum, min, max } = this;
    return { version: 1, stepsLog2: STEPS_LOG2, count, sum, min, max, buckets };
  }

  /** The reverse of {@link toJSON}. Throws ERR_ARGUMENT for what is not a histogram of this kind. */
  static fromJSON(json: unknown): Histogram {
    const { version, stepsLog2, count, sum, min, max, buckets } = (json ?? {}) as Partial<HistogramJson>;
    if (version !== 1 || stepsLog2 !== STEPS_LOG2 || !Array.isArray(buckets) || buckets.length % 2 !== 0) {
      throw argumentError('json', `a histogram of version 1 with stepsLog2 ${STEPS_LOG2}`, json);
    }
    const histogram = new Histogram();
    let counted = 0;
    for (let i = 0; i < buckets.length; i += 2) {
      const bucket = buckets[i];
      const held = buckets[i + 1];
      if (
        !Number.isInteger(bucket) ||
        bucket < 0 ||
        bucket >= BUCKETS ||
        !Number.isInteger(held) ||
        held < 1
      ) {
        throw argumentError(`json.buckets[${i}]`, 'a bucket number and a count', [bucket, held]);
      }
      histogram.buckets[bucket] += held;
      counted += held;
    }
    if (counted !== count || typeof sum !== 'number' || typeof min !== 'number' || typeof max !== 'number') {
      throw new UnderloopError(
        'ERR_ARGUMENT',
        `json.count must be the sum of its buckets, ${counted}; got ${String(count)}`,
      );
    }
    histogram.count = counted;
    histogram.sum = sum;
    if (counted > 0) {
      histogram.least = min;
      histogram.most = max;
    }
    return histogram;
  }
}

function bucketOf(value: number): number {
  if (value < 1) return 0;
  scratch[0] = value;
  const bucket = (words[HIGH_WORD] >>> MANTISSA_SHIFT) - EXPONENT_OF_1 + 1;
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

function middleOf(bucket: number): number {
  if (bucket === 0) return 0;
  const octave = (bucket - 1) >> STEPS_LOG2;
  const step = (bucket - 1) & (STEPS - 1);
  return 2 ** octave * (1 + (step + 0.5) / STEPS);
}
