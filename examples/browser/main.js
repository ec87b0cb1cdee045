/** The page: a form, a chart and a few figures. All computing is done by the worker in simulation.js. */
import { createChart } from './chart.js';
import { simulateCommand, simulateOptions } from './options.js';

const byId = (id) => document.getElementById(id);
const form = byId('choice');
const [startButton, stopButton] = [byId('start'), byId('stop')];
const chart = createChart(byId('chart'), 0.9);
const percent = (share) => `${(share * 100).toFixed(1)} %`;

let worker;

form.elements.threads.max = form.elements.threads.value = Math.max(1, navigator.hardwareConcurrency ?? 1);

form.addEventListener('submit', (event) => {
  event.preventDefault();
  start();
});
stopButton.addEventListener('click', () => {
  stopButton.disabled = true;
  say('Stopping after this round …');
  worker.postMessage({ type: 'stop' });
});

function start() {
  const { rounds, cohort, split, threads } = form.elements;
  const choice = {
    rounds: rounds.valueAsNumber,
    cohortSize: cohort.valueAsNumber,
    split: split.value,
    threads: threads.valueAsNumber,
  };
  for (const id of ['accuracy', 'round', 'speed', 'backend', 'fingerprint']) show(id, '–');
  byId('again').hidden = true;
  chart.start(choice.rounds);
  setRunning(true);
  say('Generating the data …');

  worker?.terminate();
  worker = new Worker(new URL('simulation.js', import.meta.url), { type: 'module' });
  worker.addEventListener('message', ({ data }) => receive(data, choice));
  worker.addEventListener('error', ({ message }) => fail(message || 'The worker did not load.'));
  worker.postMessage({ type: 'start', options: simulateOptions(choice) });
}

function receive(message, choice) {
  if (message.type === 'event') showEvent(message.event, choice);
  else if (message.type === 'end') showEnd(message.summary, choice);
  else fail(message.hint ? `${message.message}. ${message.hint}` : message.message);
}

function showEvent(event, { rounds }) {
  if (event.event === 'start') {
    say(`Training ${event.clients} clients, ${event.cohortSize} a round …`);
    show('backend', `${event.isa}, ${count(event.workers, 'thread')}`);
  }
  if (event.event === 'warning') say(event.message);
  if (event.event !== 'round') return;
  const { metrics } = event;
  show('round', `${event.round} of ${rounds}`);
  show('accuracy', percent(metrics['central-val/accuracy']));
  show('speed', metrics['perf/clients-per-s'].toFixed(0));
  chart.add(metrics['central-val/accuracy']);
}

function showEnd(summary, choice) {
  show('fingerprint', summary.fingerprint);
  const { status, rounds } = summary;
  say(
    status === 'completed'
      ? `Done: ${count(rounds, 'round')} in ${summary.time.totalSeconds.toFixed(1)} s.`
      : `Stopped after ${rounds} of ${count(choice.rounds, 'round')}.`,
  );
  if (rounds > 0) {
    byId('again').hidden = false;
    show('command', simulateCommand({ ...choice, rounds }));
  }
  setRunning(false);
}

function fail(text) {
  say(text, true);
  setRunning(false);
}

function setRunning(running) {
  startButton.disabled = running;
  stopButton.disabled = !running;
  byId('fields').disabled = running;
  document.body.dataset.state = running ? 'running' : 'idle';
}

function say(text, isError = false) {
  show('status', text);
  byId('status').classList.toggle('error', isError);
}

function show(id, text) {
  byId(id).textContent = text;
}

function count(n, what) {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
