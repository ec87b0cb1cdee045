/** The standard models. Layer and parameter names are those that a PyTorch user would give. */
import { defineModel, type Model } from '../program/model.js';
import type { Activation } from '../program/tracer.js';

/** Multinomial logistic regression: one dense layer. 784 inputs and 10 classes have 7,850 parameters. */
export function softmaxRegression(inputs = 784, classes = 10): Model {
  return defineModel({ input: [inputs], classes, name: 'softmax-regression' }, (t, x) =>
    t.dense(x, { units: classes, name: 'fc' }),
  );
}

export interface MlpOptions {
  /** Inputs, hidden widths, classes. Default: [784, 200, 200, 10], the 2NN of McMahan et al. 2017 (199,210 parameters). */
  layers?: readonly number[];
  /** Default: relu. */
  activation?: Activation;
}

/** Multi-layer perceptron with layers fc1, fc2, ... */
export function mlp({ layers = [784, 200, 200, 10], activation = 'relu' }: MlpOptions = {}): Model {
  const [inputs, ...units] = layers;
  const classes = units[units.length - 1] ?? 0;
  return defineModel({ input: [inputs], classes, name: 'mlp' }, (t, x) =>
    units.reduce(
      (h, width, i) =>
        t.dense(h, {
          units: width,
          name: `fc${i + 1}`,
          activation: i < units.length - 1 ? activation : undefined,
        }),
      x,
    ),
  );
}

/**
 * The MNIST CNN of McMahan et al. 2017: two 5x5 convolutions (32, 64, same padding), each with ReLU and a 2x2 max-pool, then 512
 * units and the classes. 1,663,370 parameters for 10 classes.
 */
export function mnistCnn(classes = 10): Model {
  return defineModel({ input: [1, 28, 28], classes, name: 'mnist-cnn' }, (t, x) => {
    const conv1 = t.conv2d(x, {
      channels: 32,
      kernel: 5,
      padding: 'same',
      activation: 'relu',
      name: 'conv1',
    });
    const pool1 = t.maxPool(conv1);
    const conv2 = t.conv2d(pool1, {
      channels: 64,
      kernel: 5,
      padding: 'same',
      activation: 'relu',
      name: 'conv2',
    });
    const hidden = t.dense(t.flatten(t.maxPool(conv2)), { units: 512, activation: 'relu', name: 'fc1' });
    return t.dense(hidden, { units: classes, name: 'fc2' });
  });
}

/**
 * The CIFAR-10 CNN of pfl-research: two 3x3 convolutions (32, 64, no padding) with ReLU, a 2x2 max-pool, dropout 0.25, 128 units
 * with ReLU, dropout 0.5, classes. 1,626,442 parameters for 10 classes.
 */
export function cifar10Cnn(classes = 10): Model {
  return smallImageCnn([3, 32, 32], classes, 'cifar10-cnn');
}

/** The same network on 28 x 28 grey images, as used for EMNIST. 1,206,590 parameters for 62 classes. */
export function femnistCnn(classes = 62): Model {
  return smallImageCnn([1, 28, 28], classes, 'femnist-cnn');
}

function smallImageCnn(input: readonly number[], classes: number, name: string): Model {
  return defineModel({ input, classes, name }, (t, x) => {
    const conv1 = t.conv2d(x, { channels: 32, kernel: 3, activation: 'relu', name: 'conv1' });
    const conv2 = t.conv2d(conv1, { channels: 64, kernel: 3, activation: 'relu', name: 'conv2' });
    const pooled = t.dropout(t.maxPool(conv2), 0.25);
    const hidden = t.dense(t.flatten(pooled), { units: 128, activation: 'relu', name: 'fc1' });
    return t.dense(t.dropout(hidden, 0.5), { units: classes, name: 'fc2' });
  });
}
