// Finds the least of a function of a few variables without derivatives: Nelder and Mead's simplex.

export interface MinimiseOptions {
  /** Of the first simplex along each axis. Default 0.5. */
  readonly step?: number;
  /** Evaluations at most. Default 4,000. */
  readonly evaluationsMax?: number;
}

interface Corner {
  readonly at: number[];
  readonly value: number;
}

/** Relative difference of the values at which the simplex is taken to have arrived. */
const ARRIVED = 1e-7;

/** The point at which `of` is least, as far as it was found from `start`. */
export function minimise(
  of: (at: readonly number[]) => number,
  start: readonly number[],
  { step = 0.5, evaluationsMax = 4000 }: MinimiseOptions = {},
): number[] {
  let evaluations = 0;
  const corner = (at: number[]): Corner => {
    evaluations++;
    return { at, value: of(at) };
  };
  const corners = [corner([...start])];
  for (let axis = 0; axis < start.length; axis++)
    corners.push(corner(start.map((value, index) => (index === axis ? value + step : value))));
  while (evaluations < evaluationsMax) {
    corners.sort((a, b) => a.value - b.value);
    const best = corners[0];
    const worst = corners[corners.length - 1];
    if (worst.value - best.value <= ARRIVED * (Math.abs(best.value) + ARRIVED)) break;
    const centre = start.map(
      (_, axis) => corners.slice(0, -1).reduce((sum, { at }) => sum + at[axis], 0) / start.length,
    );
    /** On the line from the worst corner through the centre of the others: 1 is its mirror image. */
    const along = (share: number): Corner =>
      corner(centre.map((value, axis) => value + share * (value - worst.at[axis])));
    const mirrored = along(1);
    let next = mirrored;
    if (mirrored.value < best.value) {
      const further = along(2);
      if (further.value < mirrored.value) next = further;
    } else if (mirrored.value >= corners[corners.length - 2].value) {
      next = along(mirrored.value < worst.value ? 0.5 : -0.5);
      if (next.value >= Math.min(worst.value, mirrored.value)) {
        for (let index = 1; index < corners.length; index++)
          corners[index] = corner(best.at.map((value, axis) => (value + corners[index].at[axis]) / 2));
        continue;
      }
    }
    corners[corners.length - 1] = next;
  }
  return corners.reduce((best, one) => (one.value < best.value ? one : best)).at;
}
