/** What happens to a finished chain on its way to memory, the same in every kernel that has alpha, beta or a bias. */
const f = Math.fround;

/** `v` plus beta times the old value. With beta 0 the old value is not looked at. */
export function addOld(v: number, beta: number, old: number): number {
  if (beta === 0) return v;
  return f(v + f(beta * old));
}

/** alpha times the chain; exact when alpha is 1. */
export const scaled = (alpha: number, acc: number): number => (alpha === 1 ? acc : f(alpha * acc));
