/**
 * A command that is run when something changes. What the document on its standard input holds is in docs/operating.md.
 */
import { z } from 'zod';
import { choice, key, text } from './keys.js';
import { duration, name } from './scalars.js';

/** `active`, `backup`, `initialize`: a virtual router has this role now; `verified`: a take-over was seen on the wire; `track`: something
 *  tracked failed or came back. */
export const NOTIFY_EVENTS = ['active', 'backup', 'initialize', 'verified', 'track'] as const;
export type NotifyEvent = (typeof NOTIFY_EVENTS)[number];

export const notifySchema = z
  .strictObject({
    name: key(text('a name').optional(), { text: 'How the hook is called in log and metrics.', example: 'pager' }),
    command: key(
      z
        .array(text('a word of the command'), { error: 'expected a command as a list such as [/usr/local/bin/notify, --quiet]' })
        .min(1, { error: 'name a program' }),
      {
        text: 'Program, as an absolute path, and its arguments. It gets one JSON document on standard input; what it prints goes to the log.',
        example: ['/usr/local/bin/notify'],
      },
    ),
    on: key(
      z
        .array(choice(NOTIFY_EVENTS), { error: `expected a list of ${NOTIFY_EVENTS.join(', ')}` })
        .min(1, { error: 'name at least one event' })
        .prefault(['active', 'backup', 'initialize']),
      {
        text: 'When it is run: a virtual router took this role, a take-over was `verified`, something tracked failed or came back (`track`).',
        why: 'every change of role',
        example: ['active'],
      },
    ),
    routers: key(z.array(name(), { error: 'expected a list of names of virtual routers' }).prefault([]), {
      text: 'Only for these virtual routers.',
      why: 'none named: for all',
      example: ['front'],
    }),
    timeout: key(duration({ minMs: 100, maxMs: 300_000 }).prefault('10s'), {
      text: 'A run that takes longer is ended.',
      why: 'long enough for an API call; the next run of the same hook waits for it',
    }),
  })
  .transform(({ timeout, name: given, ...rest }) => ({ ...rest, name: given ?? rest.command[0] ?? '', timeoutMs: timeout }));
