/** Rows of the benchmarks: each figure beside its reference in the same run. */
export interface Row {
  readonly what: string;
  readonly value: string;
  readonly reference?: string;
  readonly wanted?: string;
}

export type Print = (row: Row) => void;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** Milliseconds for a table. */
export function ms(value: number): string {
  return value < 100 ? `${value.toFixed(1)} ms` : `${value.toFixed(0)} ms`;
}
