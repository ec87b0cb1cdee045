/** The round that all plots point at. */
export interface Cursor {
  readonly round: number;
  set(round: number): void;
  /** Called with the round now, and with every later one, at most once a frame. */
  watch(listener: (round: number) => void): void;
}

export function createCursor(last: number): Cursor {
  const listeners: ((round: number) => void)[] = [];
  let round = last;
  let scheduled = false;
  return {
    get round() {
      return round;
    },
    set(next) {
      const clamped = Math.min(last, Math.max(0, Math.round(next)));
      if (clamped === round) return;
      round = clamped;
      if (scheduled) return;
      scheduled = true;
      requestAnimationFrame(() => {
        scheduled = false;
        for (const listener of listeners) listener(round);
      });
    },
    watch(listener) {
      listeners.push(listener);
      listener(round);
    },
  };
}

/** The slider: the way to move the cursor by keyboard, and by touch without scrolling. */
export function cursorControl(cursor: Cursor, last: number): HTMLElement {
  const label = document.createElement('label');
  label.className = 'cursor-control';
  const input = document.createElement('input');
  Object.assign(input, { type: 'range', min: '0', max: String(last), step: '1', value: String(last) });
  const output = document.createElement('output');
  input.addEventListener('input', () => cursor.set(Number(input.value)));
  cursor.watch((round) => {
    input.value = String(round);
    output.textContent = `${round} of ${last}`;
  });
  label.append('Round', input, output);
  return label;
}
