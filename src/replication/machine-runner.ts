/**
 * Runs one pure machine: feeds events in order, carries its effects out, and wakes it at its own deadline. An event that arrives while
 * effects are being carried out waits for its turn, so a step never sees the middle of another.
 */
import type { Clock, Monotonic } from '../system/clock.js';
import { createAlarm } from './alarm.js';

export interface Machine<State, Event, Effect> {
  initial: State;
  step(state: State, event: Event, now: Monotonic): { state: State; effects: readonly Effect[] };
  /** When it wants a tick; null: never. */
  deadline(state: State): Monotonic | null;
  tick: Event;
}

export interface MachineRunner<State, Event> {
  feed(event: Event): void;
  state(): State;
  /** No tick any more. */
  cancel(): void;
}

export function runMachine<State, Event, Effect>(
  machine: Machine<State, Event, Effect>,
  clock: Clock,
  run: (effect: Effect) => void,
): MachineRunner<State, Event> {
  let { initial: state } = machine;
  const pending: Event[] = [];
  let isStepping = false;
  const alarm = createAlarm(
    clock,
    () => machine.deadline(state),
    () => feed(machine.tick),
  );

  function feed(event: Event): void {
    pending.push(event);
    if (isStepping) return;
    isStepping = true;
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
      const step = machine.step(state, next, clock.now());
      state = step.state;
      for (const effect of step.effects) run(effect);
    }
    isStepping = false;
    alarm.review();
  }

  return { feed, state: () => state, cancel: () => alarm.cancel() };
}
