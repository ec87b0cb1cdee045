/**
 * Line of the code that called `boundary`, as `file:line:column`, for messages about traced models.
 *
 * @param boundary - the public function whose caller is wanted.
 * @returns an empty string where the host cannot tell.
 */
export function callerLine(boundary: (...args: never[]) => unknown): string {
  const holder: { stack?: string } = {};
  const capture = (Error as { captureStackTrace?: (target: object, above: unknown) => void })
    .captureStackTrace;
  if (!capture) return '';
  capture(holder, boundary);
  const frame = (holder.stack ?? '').split('\n').find((line) => /:\d+:\d+\)?$/.test(line));
  const place = frame === undefined ? undefined : /\(?([^\s()]+:\d+:\d+)\)?$/.exec(frame);
  return place ? place[1].replace(/^file:\/\//, '') : '';
}
