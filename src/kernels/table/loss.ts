/** loss kernels. */
import { input, type KernelSpec, kernel, output, scalar, update } from '../define.js';
import { rowCases } from './shared.js';

export const lossKernels = {
  softmaxF32: kernel(
    'loss',
    [output('p', 'f32', 'rows*cols'), input('z', 'f32', 'rows*cols'), scalar('cols', 'u32')],
    {
      cases: rowCases,
      specials: 'all',
    },
  ),
  logSoftmaxF32: kernel(
    'loss',
    [output('logp', 'f32', 'rows*cols'), input('z', 'f32', 'rows*cols'), scalar('cols', 'u32')],
    { cases: rowCases, specials: 'all' },
  ),
  /** loss[r] = -log softmax(z[r])[label], delta = (softmax(z) - onehot) * scale. An empty delta skips the gradient. */
  softmaxCrossEntropyF32: kernel(
    'loss',
    [
      output('loss', 'f32', 'rows'),
      output('delta', 'f32', 'rows*cols', { optional: true }),
      input('z', 'f32', 'rows*cols'),
      input('labels', 'i32', 'rows', { values: 'label', below: 'cols' }),
      scalar('cols', 'u32'),
      scalar('scale', 'f32', -0.01),
    ],
    { cases: rowCases, specials: 'all' },
  ),
  /** totals[0] += sum of loss, totals[1] += rows whose first largest logit is the label, totals[2] += rows. */
  countCorrectF32: kernel(
    'loss',
    [
      update('totals', 'f64', '3'),
      input('loss', 'f32', 'rows'),
      input('z', 'f32', 'rows*cols'),
      input('labels', 'i32', 'rows', { values: 'label', below: 'cols' }),
      scalar('cols', 'u32'),
    ],
    { cases: rowCases, specials: 'all' },
  ),
} satisfies Record<string, KernelSpec>;
