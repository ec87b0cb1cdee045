import type { PageData } from '../report-data.js';
import { createCursor, cursorControl } from './cursor.js';
import { createPanel } from './panel.js';
import { showPartition } from './partition.js';
import { panelsFor } from './plots.js';

const data = JSON.parse(document.getElementById('report-data')?.textContent ?? '{}') as PageData;

const course = document.getElementById('course');
if (course !== null && data.lastRound > 0) {
  const cursor = createCursor(data.lastRound);
  const grid = document.createElement('div');
  grid.className = 'panels';
  grid.append(...panelsFor(data).map((options) => createPanel(options, cursor)));
  course.append(cursorControl(cursor, data.lastRound), grid);
} else if (course !== null) {
  const note = document.createElement('p');
  note.textContent = 'No round was finished.';
  course.append(note);
}

const partition = document.getElementById('partition');
if (partition !== null && data.partition !== undefined && data.partition.clients.length > 0)
  showPartition(partition, data.partition);
