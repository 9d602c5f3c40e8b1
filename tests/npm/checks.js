// Talks to the service whose URL is the argument with the client of npm `ws`; each check throws when
// something is not as it should be. Prints the names of the checks that passed, as JSON.

const assert = require("node:assert/strict");
const { randomBytes } = require("node:crypto");
const { once } = require("node:events");
const { WebSocket, createWebSocketStream } = require("ws");

const url = process.argv[2];

async function open(path = "/", protocols = [], options = {}) {
  const socket = new WebSocket(url + path, protocols, options);
  await once(socket, "open");
  return socket;
}

async function echo(socket, data, options) {
  socket.send(data, options);
  return once(socket, "message");
}

async function close(socket, ...args) {
  const end = once(socket, "close");
  socket.close(...args);
  const [code, reason] = await end;
  return [code, reason.toString()];
}

const checks = {
  async text_and_binary() {
    const socket = await open();
    for (const size of [0, 1, 125, 126, 65535, 65536, 1 << 20]) {
      const bytes = randomBytes(size);
      assert.deepEqual(await echo(socket, bytes), [bytes, true]);
      const [text, isBinary] = await echo(socket, "é€".repeat(size / 8));
      assert.equal(text.toString(), "é€".repeat(size / 8));
      assert.equal(isBinary, false);
    }
    assert.deepEqual(await close(socket), [1005, ""]);
  },

  async fragments() {
    const socket = await open();
    for (let at = 0; at < 100; at++) socket.send(`${at},`, { fin: false });
    const answer = once(socket, "message");
    socket.ping("between");
    assert.equal((await once(socket, "pong"))[0].toString(), "between");
    socket.send("end");
    assert.equal((await answer)[0].toString(), Array.from(Array(100).keys()).join() + ",end");
    await close(socket);
  },

  async pings() {
    const socket = await open();
    for (const size of [0, 1, 125]) {
      const payload = randomBytes(size);
      socket.ping(payload);
      assert.deepEqual((await once(socket, "pong"))[0], payload);
    }
    socket.pong("unasked");
    await once(socket, "ping"); // the heartbeat of the service
    await once(socket, "ping"); // which the first pong has satisfied
    await close(socket);
  },

  async close_codes() {
    for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 3000, 4999])
      assert.deepEqual(await close(await open(), code, "grüße"), [code, ""]);
    const socket = await open();
    socket.send("leave!");
    const [code, reason] = await once(socket, "close");
    assert.deepEqual([code, reason.toString()], [4001, "as you wish"]);
  },

  async handshakes() {
    const socket = await open("/", ["other", "chat"]);
    assert.equal(socket.protocol, "chat");
    await close(socket);
    const refused = new WebSocket(url + "/refused");
    const [, response] = await once(refused, "unexpected-response");
    assert.equal(response.statusCode, 403);
    response.destroy();
    await assert.rejects(open("/", [], { protocolVersion: 8 }), /426/);
  },

  async too_big() {
    const socket = await open("/", [], { perMessageDeflate: false });
    const end = once(socket, "close");
    socket.send(Buffer.alloc((4 << 20) + 1));
    assert.equal((await end)[0], 1009);
    // The limit is of the message, not of what it was packed to.
    const packed = await open();
    assert.match(packed.extensions, /^permessage-deflate/);
    packed.send(Buffer.alloc((4 << 20) + 1));
    assert.equal((await once(packed, "close"))[0], 1009);
  },

  // Longer than idle_timeout with nothing but pongs; without them it is told, and left.
  async heartbeat() {
    const [lives, dies] = [await open(), await open("/", [], { autoPong: false })];
    const end = once(dies, "close");
    for (let count = 0; count < 5; count++) await once(lives, "ping");
    const [code, reason] = await end;
    assert.deepEqual([code, reason.toString()], [1001, "no sign of life"]);
    assert.equal((await echo(lives, "still here"))[0].toString(), "still here");
    await close(lives);
  },

  async many() {
    const sockets = await Promise.all(Array.from({ length: 200 }, () => open()));
    const answers = await Promise.all(sockets.map((socket, at) => echo(socket, `number ${at}`)));
    answers.forEach(([data], at) => assert.equal(data.toString(), `number ${at}`));
    const ends = await Promise.all(sockets.map((socket) => close(socket, 1000)));
    ends.forEach((end) => assert.deepEqual(end, [1000, ""]));
  },

  // No close frame at all.
  async terminate() {
    const socket = await open();
    await echo(socket, "hi");
    const end = once(socket, "close");
    socket.terminate();
    assert.equal((await end)[0], 1006);
  },

  async stream() {
    const socket = await open();
    const duplex = createWebSocketStream(socket);
    const sent = randomBytes(1 << 20);
    for (let at = 0; at < sent.length; at += 1000) duplex.write(sent.subarray(at, at + 1000));
    let found = Buffer.alloc(0);
    while (found.length < sent.length) found = Buffer.concat([found, (await once(duplex, "data"))[0]]);
    assert.deepEqual(found, sent);
    duplex.destroy();
  },
};

(async () => {
  const passed = [];
  for (const [name, check] of Object.entries(checks)) {
    await check().catch((error) => {
      error.message = `${name}: ${error.message}`;
      throw error;
    });
    passed.push(name);
  }
  console.log(JSON.stringify(passed));
})();
