import { expect, it } from 'vitest';
import { eventID } from '../../src/audit/eventID.js';

const RUN = '01a21913-1508-7b3d-960a-aa1f6fa3bf7d';
const LATER_RUN = '01a21913-1530-78b3-a482-336de02f7a7f';

it('is the same for whoever writes the event of a place, and another one for each place', () => {
  const places = [
    eventID(RUN, '1', 1, 'start'),
    eventID(RUN, '1', 1, 'end'),
    eventID(RUN, '1', 2, 'start'),
    eventID(RUN, '2', 1, 'start'),
    eventID(RUN, null, null, 'log:1', ['checked', 'all are in']),
    eventID(RUN, null, null, 'log:1', ['checked', 'one is missing']),
    eventID('01a21913-1508-7000-8000-000000000000', '1', 1, 'start'),
  ];
  expect(new Set(places).size).toBe(places.length);
  expect(eventID(RUN, '1', 1, 'start')).toBe(places[0]);
  for (const id of places) expect(id).toMatch(/^[0-9a-f]{32}$/);
});

it('keeps the events of a run beside each other in the order of ids, and after those of earlier runs', () => {
  const ids = [RUN, LATER_RUN].map((run) =>
    ['1', '2', '3'].map((activityID) => eventID(run, activityID, 1, 'end')).sort(),
  );
  expect(ids.flat().sort()).toEqual(ids.flat());
});
