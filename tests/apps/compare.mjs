// compare.mjs FOLDER-OF-PROGRAMS HOME [WORD]: real applications alone and behind the gate. HOME is
// where run.sh installed them. Ends with 'N passed, N failed'.

import path from 'node:path';
import { compareDatasette } from './datasette.mjs';
import { check, finish, startBrowser, stopAll } from './house.mjs';
import { compareNodeRed } from './node-red.mjs';
import { followRecipes } from './recipes.mjs';

const [programs, home] = process.argv.slice(2, 4).map((folder) => path.resolve(folder));
const word = process.argv[4] ?? '';
const work = path.join(home, 'work');
const comparisons = [
  ['node-red', (browser) => compareNodeRed(programs, work, path.join(home, 'node_modules'), browser)],
  ['datasette', (browser) => compareDatasette(programs, work, path.join(home, 'venv', 'bin'), browser)],
  ['recipes', (browser) => followRecipes(programs, work, home, browser)],
];

const browser = await startBrowser();
for (const [name, compare] of comparisons) {
  if (!name.includes(word)) continue;
  try {
    await compare(browser);
  } catch (error) {
    await check(`${name}: the comparison ran to its end`, () => { throw error; });
  }
  await stopAll();
}
await browser.close();
process.exit(finish());
