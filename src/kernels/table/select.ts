/** select: exact selection and gathers. */
import { input, type KernelSpec, kernel, output, scalar, update } from '../define.js';

export const selectKernels = {
  magnitudeThresholdF32: kernel('select', [input('x', 'f32'), scalar('k', 'u32', 3)], {
    returns: 'f32',
    specials: 'finite',
    cases: [
      { n: 1, k: 1 },
      { n: 5, k: 5 },
      { n: 17, k: 1 },
      { n: 1000, k: 137 },
      { n: 65_537, k: 60_000 },
      { n: 200_003, k: 2_000 },
    ],
    bench: [{ n: 1 << 24, k: 1 << 20 }],
    bytes: '4*n',
  }),
  gatherBlocksF32: kernel(
    'select',
    [
      output('dst', 'f32', 'rowCount*columnCount*inner'),
      input('src', 'f32', 'sourceRows*sourceColumns*inner'),
      input('rows', 'u32', 'rowCount', { values: 'index', below: 'sourceRows' }),
      input('columns', 'u32', 'columnCount', { values: 'index', below: 'sourceColumns' }),
      scalar('sourceRows', 'u32'),
      scalar('sourceColumns', 'u32'),
      scalar('inner', 'u32'),
    ],
    {
      cases: [
        { rowCount: 1, columnCount: 1, sourceRows: 1, sourceColumns: 1, inner: 1 },
        { rowCount: 3, columnCount: 5, sourceRows: 4, sourceColumns: 9, inner: 1 },
        { rowCount: 5, columnCount: 3, sourceRows: 8, sourceColumns: 4, inner: 25 },
        { rowCount: 0, columnCount: 3, sourceRows: 8, sourceColumns: 4, inner: 2 },
      ],
    },
  ),
  scatterBlocksF32: kernel(
    'select',
    [
      update('dst', 'f32', 'targetRows*targetColumns*inner'),
      input('src', 'f32', 'rowCount*columnCount*inner'),
      input('rows', 'u32', 'rowCount', { values: 'index', below: 'targetRows' }),
      input('columns', 'u32', 'columnCount', { values: 'index', below: 'targetColumns' }),
      scalar('targetRows', 'u32'),
      scalar('targetColumns', 'u32'),
      scalar('inner', 'u32'),
    ],
    {
      cases: [
        { rowCount: 1, columnCount: 1, targetRows: 1, targetColumns: 1, inner: 1 },
        { rowCount: 3, columnCount: 5, targetRows: 4, targetColumns: 9, inner: 1 },
        { rowCount: 5, columnCount: 3, targetRows: 8, targetColumns: 4, inner: 25 },
      ],
    },
  ),
  gatherRowsU8F32: kernel(
    'select',
    [
      output('dst', 'f32', 'rows*cols'),
      input('src', 'u8', 'sourceRows*cols', { values: 'bits' }),
      input('index', 'u32', 'rows', { values: 'index', below: 'sourceRows' }),
      input('scales', 'f32', 'channels'),
      input('shifts', 'f32', 'channels'),
      scalar('sourceRows', 'u32'),
      scalar('cols', 'u32'),
      scalar('channels', 'u32', 1),
    ],
    {
      requires: ['channels divides cols'],
      cases: [
        { rows: 1, cols: 1, sourceRows: 1, channels: 1 },
        { rows: 10, cols: 784, sourceRows: 20, channels: 1 },
        { rows: 3, cols: 3 * 35, sourceRows: 5, channels: 3 },
        { rows: 0, cols: 7, sourceRows: 5, channels: 1 },
      ],
    },
  ),
  gatherRowsF32: kernel(
    'select',
    [
      output('dst', 'f32', 'rows*cols'),
      input('src', 'f32', 'sourceRows*cols'),
      input('index', 'u32', 'rows', { values: 'index', below: 'sourceRows' }),
      scalar('sourceRows', 'u32'),
      scalar('cols', 'u32'),
    ],
    {
      cases: [
        { rows: 1, cols: 1, sourceRows: 1 },
        { rows: 10, cols: 33, sourceRows: 20 },
      ],
    },
  ),
  gatherI32: kernel(
    'select',
    [
      output('dst', 'i32', 'rows'),
      input('src', 'i32', 'sourceRows', { values: 'label', below: '10' }),
      input('index', 'u32', 'rows', { values: 'index', below: 'sourceRows' }),
    ],
    {
      cases: [
        { rows: 1, sourceRows: 1 },
        { rows: 10, sourceRows: 33 },
      ],
    },
  ),
} satisfies Record<string, KernelSpec>;
