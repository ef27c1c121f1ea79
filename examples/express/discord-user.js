// Who is asking, as Cordgate says.
//
// The gate removes every X-Discord-* header that a visitor sends and adds its own, so the
// headers are true as long as nobody can reach this application but through the gate: it
// listens on 127.0.0.1, and this middleware refuses a request that comes from elsewhere.

const defaultGate = ['127.0.0.1', '::1', '::ffff:127.0.0.1'];

// Middleware: sets req.user to an object, or to null.
export function discordUser({ gate = defaultGate } = {}) {
  return (req, res, next) => {
    if (!gate.includes(req.socket.remoteAddress)) return res.status(403).send('only the gate may ask');
    const header = req.get('X-Discord-User');
    req.user = header ? JSON.parse(header) : null;
    next();
  };
}

// Middleware for a route: only for those who manage a server (permission MANAGE_GUILD).
export function manages(guildId) {
  return (req, res, next) => {
    const guild = req.user?.guilds?.find((each) => each.id === guildId);
    if (!guild || !(guild.owner || (BigInt(guild.permissions) & 0x28n))) return res.sendStatus(403);
    next();
  };
}
