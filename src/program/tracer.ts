/** Records what a model function does with its input, as a graph. */
import type { ParamKind } from '../tensor/param-spec.js';
import { type Dim, multiplyDims, type Shape } from './dims.js';
import type { Attributes, NodeId, Window } from './graph.js';
import { type Trace, TraceState } from './trace-state.js';

/** A value inside a traced model. */
export interface Tensor {
  readonly id: NodeId;
  readonly shape: Shape;
}

export type Activation = 'relu' | 'tanh' | 'sigmoid';

export interface DenseOptions {
  /** Number of outputs. */
  units: number;
  /** Layer name: parameters are `<name>.weight` [units, inputs] and `<name>.bias`. The same name twice shares them. */
  name: string;
  activation?: Activation;
  /** Default: true. */
  bias?: boolean;
}

export interface ConvOptions {
  /** Number of output channels. */
  channels: number;
  /** Side of the square kernel. */
  kernel: number;
  /** Zeros around the image: a number, `same` (odd kernels, stride 1) or `valid`. Default: `valid`. */
  padding?: 'same' | 'valid' | number;
  /** Default: 1. */
  stride?: number;
  /** Layer name: parameters are `<name>.weight` [channels, in channels, kernel, kernel] and `<name>.bias`. */
  name: string;
  activation?: Activation;
  /** Default: true. */
  bias?: boolean;
}

export interface PoolOptions {
  /** Side of the square window. Default: 2. */
  size?: number;
  /** Default: `size`. */
  stride?: number;
}

/** The `t` of a model function. Every method returns a new tensor and leaves its arguments alone. */
export class Tracer {
  readonly #state: TraceState = new TraceState();
  readonly #emit = this.#state.emit;
  readonly #layerOf = new Map<NodeId, string>();

  /** y = x W^T + b, for x [batch, inputs]. */
  dense(x: Tensor, options: DenseOptions): Tensor {
    this.#state.at(options.name, this.dense);
    const { units, name } = options;
    this.#state.positive('units', units);
    if (x.shape.length !== 2)
      this.#state.shapeError(
        `a dense layer wants [batch, features], received ${this.#state.show(x.shape)}`,
        'flatten images with t.flatten before a dense layer',
      );
    const outputs = this.#state.units(`${name}.out`, units);
    const inputs = x.shape[1];
    const weight = this.#state.param(
      `${name}.weight`,
      [outputs, inputs],
      'weight',
      this.#state.size(inputs),
      units,
    );
    const y = this.#emit.op('matmul', [x.id, weight], { transA: false, transB: true });
    return this.#finish(y, outputs, options);
  }

  /** Two-dimensional convolution (cross-correlation, as everywhere in deep learning) of images [batch, channels, height, width]. */
  conv2d(x: Tensor, options: ConvOptions): Tensor {
    this.#state.at(options.name, this.conv2d);
    const { channels, kernel, padding = 'valid', stride = 1, name } = options;
    this.#state.positive('channels', channels);
    this.#state.positive('kernel', kernel);
    this.#state.positive('stride', stride);
    const [height, width] = this.#imageSize(x, 'a convolution');
    if (padding === 'same' && (kernel % 2 === 0 || stride !== 1))
      this.#state.fail(
        `padding 'same' with kernel ${kernel} and stride ${stride}`,
        'use an odd kernel and stride 1, or a number',
      );
    const pad = padding === 'same' ? (kernel - 1) / 2 : padding === 'valid' ? 0 : padding;
    if (!Number.isInteger(pad) || pad < 0)
      this.#state.fail(`padding ${pad}`, "padding is 'same', 'valid' or an integer of at least 0");
    const window = this.#window(height, width, kernel, stride, pad);
    const outputs = this.#state.units(`${name}.out`, channels);
    const area = kernel * kernel;
    const shape: Shape = [outputs, x.shape[1], kernel, kernel];
    const fanIn = this.#state.size(x.shape[1]) * area;
    const weight = this.#state.param(`${name}.weight`, shape, 'weight', fanIn, channels * area);
    const y = this.#emit.op('conv2d', [x.id, weight], { window });
    return this.#finish(y, outputs, options);
  }

  relu(x: Tensor): Tensor {
    return this.#apply('relu', [x], {}, this.relu);
  }

  tanh(x: Tensor): Tensor {
    return this.#apply('tanh', [x], {}, this.tanh);
  }

  sigmoid(x: Tensor): Tensor {
    return this.#apply('sigmoid', [x], {}, this.sigmoid);
  }

  /** Softmax over the columns of [rows, columns]. */
  softmax(x: Tensor): Tensor {
    return this.#apply('softmax', [x], {}, this.softmax);
  }

  /** Logarithm of the softmax over the columns of [rows, columns]. */
  logSoftmax(x: Tensor): Tensor {
    return this.#apply('logSoftmax', [x], {}, this.logSoftmax);
  }

  exp(x: Tensor): Tensor {
    return this.#apply('exp', [x], {}, this.exp);
  }

  /** Natural logarithm; x above 0. */
  log(x: Tensor): Tensor {
    return this.#apply('log', [x], {}, this.log);
  }

  square(x: Tensor): Tensor {
    return this.#apply('square', [x], {}, this.square);
  }

  maxPool(x: Tensor, options: PoolOptions = {}): Tensor {
    return this.#pool('maxPool', x, options, this.maxPool);
  }

  averagePool(x: Tensor, options: PoolOptions = {}): Tensor {
    return this.#pool('averagePool', x, options, this.averagePool);
  }

  /** [batch, channels, height, width] to [batch, channels * height * width]. */
  flatten(x: Tensor): Tensor {
    this.#state.at(this.#layer(x, 'flatten'), this.flatten);
    const [batch, ...rest] = x.shape;
    const features = multiplyDims(rest);
    if (batch === undefined || features === undefined)
      this.#state.shapeError(
        `cannot flatten ${this.#state.show(x.shape)}`,
        'pass [batch, ...] with one unit axis',
      );
    return this.#tensor(
      this.#emit.op('reshape', [x.id], { shape: [batch, features] }),
      this.#layer(x, 'flatten'),
    );
  }

  /**
   * Zeroes a share of the elements in training and divides the rest by 1 - rate; does nothing in evaluation.
   * The random numbers are addressed by (key, step, order of the call), never drawn from a stream.
   */
  dropout(x: Tensor, rate: number): Tensor {
    this.#state.at(this.#layer(x, 'dropout'), this.dropout);
    if (!(rate >= 0 && rate < 1))
      this.#state.fail(`rate ${rate}`, 'a rate is from 0 (inclusive) to 1 (exclusive)');
    if (rate === 0) return x;
    return this.#tensor(
      this.#emit.op('dropout', [x.id], { rate, site: this.#state.site() }),
      this.#layer(x, 'dropout'),
    );
  }

  /** Uniform values in [0, 1) of a shape, new at every step. */
  randomUniform(shapeOf: Tensor): Tensor {
    this.#state.at('randomUniform', this.randomUniform);
    return this.#tensor(
      this.#emit.op('randomUniform', [], { shape: shapeOf.shape, site: this.#state.site() }),
      'randomUniform',
    );
  }

  /** Elementwise sum. Unit groups of the two become one group. */
  add(a: Tensor, b: Tensor): Tensor {
    return this.#combine('add', a, b, this.add);
  }

  subtract(a: Tensor, b: Tensor): Tensor {
    return this.#combine('subtract', a, b, this.subtract);
  }

  /** Elementwise product. */
  mul(a: Tensor, b: Tensor): Tensor {
    return this.#combine('multiply', a, b, this.mul);
  }

  /** x times a constant. */
  scale(x: Tensor, factor: number): Tensor {
    return this.#apply('scale', [x], { value: factor }, this.scale);
  }

  /** Adds one value to each channel (axis 1) of x. */
  addBias(x: Tensor, bias: Tensor): Tensor {
    if (x.shape.length > 1 && bias.shape.length === 1) this.#state.unify(x.shape[1], bias.shape[0]);
    return this.#apply('addBias', [x, bias], {}, this.addBias);
  }

  /** Multiplies each row (axis 0) of x by a value of its own. */
  scaleRows(x: Tensor, factors: Tensor): Tensor {
    if (x.shape.length > 0 && factors.shape.length === 1) this.#state.unify(x.shape[0], factors.shape[0]);
    return this.#apply('scaleRows', [x, factors], {}, this.scaleRows);
  }

  /** Multiplies each channel (axis 1) of x by a value of its own: a gate or modulator on units. */
  scaleChannels(x: Tensor, factors: Tensor): Tensor {
    this.#state.at(this.#layer(factors, 'scaleChannels'), this.scaleChannels);
    if (x.shape.length > 1 && factors.shape.length === 1) this.#state.unify(x.shape[1], factors.shape[0]);
    const spread = this.#emit.op('broadcastChannels', [factors.id], { shape: x.shape });
    return this.#tensor(this.#emit.op('multiply', [x.id, spread]), this.#layer(x, 'scaleChannels'));
  }

  /** Matrix product of [m, k] and [k, n], either stored transposed. Operands can be any nodes, parameters too. */
  matmul(a: Tensor, b: Tensor, options: { transA?: boolean; transB?: boolean } = {}): Tensor {
    const { transA = false, transB = false } = options;
    if (a.shape.length === 2 && b.shape.length === 2)
      this.#state.unify(a.shape[transA ? 0 : 1], b.shape[transB ? 1 : 0]);
    return this.#apply('matmul', [a, b], { transA, transB }, this.matmul);
  }

  transpose(x: Tensor): Tensor {
    return this.#apply('transpose', [x], {}, this.transpose);
  }

  /** The same values, through which no gradient flows. */
  stopGradient(x: Tensor): Tensor {
    return this.#apply('stopGradient', [x], {}, this.stopGradient);
  }

  /**
   * A tensor of the parameter vector. Matrices start Glorot-uniform, vectors at zero. The same name twice is the same tensor.
   *
   * @param shape - sizes; an axis of another tensor can be given to share its unit group, as `[8, x.shape[1]]`.
   */
  param(name: string, shape: Shape, kind: ParamKind = 'weight'): Tensor {
    this.#state.at(name, this.param);
    return this.#tensor(this.#state.freeParam(name, shape, kind), name);
  }

  /** Gives a parameter another name in files, as a tied output embedding has. */
  tie(alias: string, name: string): void {
    this.#state.at(alias, this.tie);
    this.#state.tie(alias, name);
  }

  /** For `defineModel`. */
  input(name: string, shape: Shape, widths: Readonly<Record<string, number>> = {}): Tensor {
    Object.assign(this.#state.builder.widths, widths);
    return this.#tensor(this.#emit.op('input', [], { name, shape }), name);
  }

  /** For `defineModel`: what has been recorded. */
  finish(): Trace {
    return this.#state.finish();
  }

  #finish(product: NodeId, outputs: Dim, options: DenseOptions | ConvOptions): Tensor {
    const { name, bias = true, activation } = options;
    let y = product;
    if (bias) y = this.#emit.op('addBias', [y, this.#state.param(`${name}.bias`, [outputs], 'bias', 0, 0)]);
    if (activation !== undefined) y = this.#emit.op(activation, [y]);
    return this.#tensor(y, name);
  }

  #pool(
    op: 'maxPool' | 'averagePool',
    x: Tensor,
    options: PoolOptions,
    boundary: (...a: never[]) => unknown,
  ) {
    this.#state.at(this.#layer(x, op), boundary);
    const { size = 2, stride = size } = options;
    this.#state.positive('size', size);
    this.#state.positive('stride', stride);
    const [height, width] = this.#imageSize(x, 'a pool');
    const window = this.#window(height, width, size, stride, 0);
    return this.#tensor(this.#emit.op(op, [x.id], { window }), this.#layer(x, op));
  }

  #window(height: number, width: number, kernel: number, stride: number, padding: number): Window {
    const outHeight = Math.floor((height + 2 * padding - kernel) / stride) + 1;
    const outWidth = Math.floor((width + 2 * padding - kernel) / stride) + 1;
    if (outHeight < 1 || outWidth < 1)
      this.#state.shapeError(
        `a window of ${kernel} x ${kernel} does not fit an image of ${height} x ${width} with padding ${padding}`,
        'use a smaller kernel or more padding',
      );
    return { kernel, stride, padding, height, width, outHeight, outWidth };
  }

  #imageSize(x: Tensor, what: string): [height: number, width: number] {
    const [, , height, width] = x.shape;
    if (x.shape.length !== 4 || typeof height !== 'number' || typeof width !== 'number')
      this.#state.shapeError(
        `${what} wants images [batch, channels, height, width], received ${this.#state.show(x.shape)}`,
        'give the model an input of [channels, height, width]',
      );
    return [height, width];
  }

  #apply(
    op: string,
    x: readonly Tensor[],
    attributes: Attributes,
    boundary: (...a: never[]) => unknown,
  ): Tensor {
    const layer = this.#layer(x[0], op);
    this.#state.at(layer, boundary);
    return this.#tensor(
      this.#emit.op(
        op,
        x.map((tensor) => tensor.id),
        attributes,
      ),
      layer,
    );
  }

  #combine(op: string, a: Tensor, b: Tensor, boundary: (...args: never[]) => unknown): Tensor {
    this.#state.at(this.#layer(a, op), boundary);
    this.#state.unifyShapes(a.shape, b.shape);
    return this.#tensor(this.#emit.op(op, [a.id, b.id]), this.#layer(a, op));
  }

  #tensor(id: NodeId, layer: string): Tensor {
    this.#layerOf.set(id, layer);
    const { builder } = this.#state;
    return {
      id,
      get shape() {
        return builder.shape(id);
      },
    };
  }

  #layer(x: Tensor, fallback: string): string {
    return this.#layerOf.get(x.id) ?? fallback;
  }
}
