/** Arithmetic of models: `base + 0.5 * (chat - base) - 0.2 * (code - base)` as the weight of every model. */

/** Weights by name of the model, in the order of first use. */
export type ModelWeights = ReadonlyMap<string, number>;

/** A text is not an expression, or one that gives no model. */
export class ExpressionError extends Error {
  constructor(
    message: string,
    /** Of the character, from 1. */
    readonly column: number,
    readonly hint: string,
  ) {
    super(message);
  }
}

/** A sum of models, and a number. */
interface Form {
  readonly constant: number;
  readonly weights: ModelWeights;
}

const MAX_DEPTH = 64;
const TOKEN = /\s*(?:(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)|([A-Za-z_]\w*)|([-+*/()]))/y;

/**
 * Reads numbers, names, + - * / and parentheses; a product has one model at most, and only numbers divide.
 *
 * @throws {ExpressionError} for anything else, for numbers that are added to models, and where no model is left.
 */
export function parseExpression(text: string, names: readonly string[]): ModelWeights {
  const parser = new ExpressionParser(text, names);
  const { constant, weights } = parser.parse();
  if (constant !== 0)
    throw new ExpressionError(
      `adds the number ${constant} to models`,
      1,
      'numbers only multiply and divide models',
    );
  const used = new Map([...weights].filter(([, weight]) => weight !== 0));
  if (used.size === 0)
    throw new ExpressionError('leaves no model', 1, 'name a model whose weights do not cancel');
  return used;
}

class ExpressionParser {
  #at = 0;
  #depth = 0;

  constructor(
    private readonly text: string,
    private readonly names: readonly string[],
  ) {}

  parse(): Form {
    const form = this.#sum();
    const rest = this.#peek();
    if (rest.kind !== 'end') throw this.#unexpected(rest, 'write an operator between two values');
    return form;
  }

  #sum(): Form {
    let left = this.#product();
    for (;;) {
      const { value } = this.#peek();
      if (value !== '+' && value !== '-') return left;
      this.#take();
      left = combined(left, this.#product(), value === '+' ? 1 : -1);
    }
  }

  #product(): Form {
    let left = this.#factor();
    for (;;) {
      const operator = this.#peek();
      if (operator.value !== '*' && operator.value !== '/') return left;
      this.#take();
      const right = this.#factor();
      const [number, form] = left.weights.size === 0 ? [left, right] : [right, left];
      if (operator.value === '/' ? right.weights.size > 0 : number.weights.size > 0)
        throw this.#fail(
          operator.value === '/' ? 'divides by a model' : 'multiplies two models',
          operator.begin,
          'multiply and divide models by numbers only',
        );
      if (operator.value === '/' && right.constant === 0)
        throw this.#fail('divides by 0', operator.begin, 'divide by another number');
      left = operator.value === '/' ? scaled(left, 1 / right.constant) : scaled(form, number.constant);
    }
  }

  #factor(): Form {
    const token = this.#take();
    if (token.kind === 'number') return { constant: Number(token.value), weights: new Map() };
    if (token.kind === 'name') {
      if (this.names.includes(token.value)) return { constant: 0, weights: new Map([[token.value, 1]]) };
      throw this.#fail(
        `names ${JSON.stringify(token.value)}, which is not a model here`,
        token.begin,
        `models: ${this.names.join(', ') || 'none'}`,
      );
    }
    if (++this.#depth > MAX_DEPTH)
      throw this.#fail('is nested too deeply', token.begin, 'write it with fewer parentheses');
    if (token.value === '-' || token.value === '+') {
      const form = this.#factor();
      this.#depth--;
      return token.value === '-' ? scaled(form, -1) : form;
    }
    if (token.value !== '(') throw this.#unexpected(token, 'write a model, a number or a parenthesis there');
    const form = this.#sum();
    const close = this.#take();
    if (close.value !== ')') throw this.#unexpected(close, 'close the parenthesis');
    this.#depth--;
    return form;
  }

  #peek(): Token {
    TOKEN.lastIndex = this.#at;
    const match = TOKEN.exec(this.text);
    if (match === null) {
      const rest = this.text.slice(this.#at).trimStart();
      const begin = this.text.length - rest.length;
      if (rest === '') return { kind: 'end', value: '', begin, end: begin };
      throw this.#fail(
        `has ${JSON.stringify(rest[0])}`,
        begin,
        'write models, numbers, + - * / and parentheses',
      );
    }
    const [whole, number, name, operator] = match;
    const value = number ?? name ?? operator;
    const end = this.#at + whole.length;
    const kind = number !== undefined ? 'number' : name !== undefined ? 'name' : 'operator';
    return { kind, value, begin: end - value.length, end };
  }

  #take(): Token {
    const token = this.#peek();
    this.#at = token.end;
    return token;
  }

  #unexpected({ kind, value, begin }: Token, hint: string): ExpressionError {
    return this.#fail(kind === 'end' ? 'ends too early' : `has ${JSON.stringify(value)}`, begin, hint);
  }

  #fail(message: string, begin: number, hint: string): ExpressionError {
    return new ExpressionError(message, begin + 1, hint);
  }
}

interface Token {
  readonly kind: 'number' | 'name' | 'operator' | 'end';
  readonly value: string;
  readonly begin: number;
  readonly end: number;
}

function combined(a: Form, b: Form, sign: number): Form {
  const weights = new Map(a.weights);
  for (const [name, weight] of b.weights) weights.set(name, (weights.get(name) ?? 0) + sign * weight);
  return { constant: a.constant + sign * b.constant, weights };
}

function scaled({ constant, weights }: Form, factor: number): Form {
  return {
    constant: constant * factor,
    weights: new Map([...weights].map(([name, w]) => [name, w * factor])),
  };
}
