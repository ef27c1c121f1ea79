// A page that greets its visitor by their Discord name, without any OAuth code.

import express from 'express';
import { discordUser, manages } from './discord-user.js';

// The id of your server: in Discord, right-click its name and copy it (developer mode).
const club = process.env.GUILD ?? '197038439483310086';

const app = express();
app.disable('x-powered-by');
app.use(discordUser());

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const html = (strings, ...values) =>
  String.raw({ raw: strings }, ...values.map((v) => (v.raw ?? String(v).replace(/[&<>"']/g, (c) => escapes[c]))));

function page(user) {
  if (!user) {
    return html`<!doctype html><title>Express behind Cordgate</title>
<h1>Hello, stranger</h1><p><a href="/login?rd=/me">Log in with Discord</a></p>`;
  }
  const guilds = (user.guilds ?? []).map((guild) => html`<li>${guild.name ?? guild.id}</li>`).join('\n');
  return html`<!doctype html><title>Express behind Cordgate</title>
<h1>Hello, ${user.display_name}</h1>
<ul>
${{ raw: guilds }}
</ul>
<form method="post" action="/logout"><button>Log out</button></form>`;
}

app.get('/', (req, res) => res.send(page(req.user))); // access: optional in cordgate.yaml
app.get('/me', (req, res) => res.send(page(req.user))); // the gate lets only those through who are logged in
app.get('/admin/', manages(club), (req, res) => res.send(html`Yours to manage, ${req.user.display_name}\n`));

const port = Number(process.env.PORT ?? 3000);
app.listen(port, '127.0.0.1', () => console.log(`on http://127.0.0.1:${port}`));
