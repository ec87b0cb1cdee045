/**
 * Base of every error that heddle throws on purpose.
 *
 * `code` is stable and machine-readable (`ERR_` and upper snake case), `message` says what was wrong and where,
 * `hint` says how to mend it. Subclasses live beside the subject they speak of.
 */
export class HeddleError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint: string,
    options?: ErrorOptions,
  ) {
    super(`${message}\n  Fix: ${hint}`, options);
    this.name = new.target.name;
  }

  /** The message without the hint, for places that print the two apart. */
  get problem(): string {
    return this.message.slice(0, this.message.length - this.hint.length - '\n  Fix: '.length);
  }
}

/** A caller passed a value outside what the function accepts. */
export class InvalidArgumentError extends HeddleError {
  constructor(where: string, argument: string, expected: string, received: unknown, hint?: string) {
    super(
      'ERR_INVALID_ARGUMENT',
      `${where}: ${argument} must be ${expected}, received ${describe(received)}`,
      hint ?? `pass ${expected} as ${argument}`,
    );
  }
}

/** Shapes or lengths that have to agree do not. */
export class ShapeMismatchError extends HeddleError {
  constructor(where: string, expected: readonly number[], received: readonly number[], hint: string) {
    super('ERR_SHAPE_MISMATCH', `${where}: expected shape [${expected}], received [${received}]`, hint);
  }
}

/** A resource was used after `dispose()`. */
export class DisposedError extends HeddleError {
  constructor(what: string) {
    super('ERR_DISPOSED', `${what} was used after dispose()`, `keep ${what} alive until its last use`);
  }
}

/** How a received value is named in messages: short, and never the content of a large array. */
export function describe(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength} bytes)`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null)
    return `an object of class ${value.constructor?.name ?? 'null'}`;
  return String(value);
}
