// Runs in the browser: each check talks to the server, and its result goes to /report as one line,
// "NAME ok" or "NAME failed: why"; "done" is the last.

const base = `ws://${location.host}`;

function assert(isTrue, what) {
  if (!isTrue) throw new Error(what);
}

function same(found, expected) {
  assert(found === expected, `${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
}

// A promise of the next event of that kind; an `error` event rejects it.
function next(target, kind) {
  return new Promise((resolve, reject) => {
    target.addEventListener(kind, resolve, { once: true });
    if (kind !== "error" && kind !== "close")
      target.addEventListener("error", () => reject(new Error("error event")), { once: true });
  });
}

async function open(path = "/", protocols = []) {
  const socket = new WebSocket(base + path, protocols);
  socket.binaryType = "arraybuffer";
  await next(socket, "open");
  return socket;
}

async function echo(socket, data) {
  const answer = next(socket, "message");
  socket.send(data);
  return (await answer).data;
}

function noise(size) {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  return bytes;
}

const checks = {
  async text() {
    const socket = await open();
    for (const text of ["", "Hello", "grüße € 😀", "x".repeat(70_000), "é".repeat(1 << 20)])
      same(await echo(socket, text), text);
    socket.close();
  },

  async binary() {
    const socket = await open();
    for (const size of [0, 1, 125, 126, 65535, 65536, 1 << 20]) {
      const sent = noise(size);
      const found = new Uint8Array(await echo(socket, sent));
      assert(found.length === size && found.every((byte, at) => byte === sent[at]), `${size} B`);
    }
    assert(await echo(socket, new Blob(["blob"])) instanceof ArrayBuffer, "kept binary");
    socket.close();
  },

  async compression() {
    const socket = await open();
    assert(socket.extensions.includes("permessage-deflate"), `agreed: ${socket.extensions}`);
    for (let round = 0; round < 50; round++) {
      const text = JSON.stringify({ round, list: Array(100).fill("compress me") });
      same(await echo(socket, text), text);
    }
    socket.close();
  },

  async subprotocol() {
    const socket = await open("/", ["other", "chat"]);
    same(socket.protocol, "chat");
    socket.close();
  },

  async close_by_client() {
    for (const code of [1000, 3001, 4999]) {
      const socket = await open();
      const end = next(socket, "close");
      socket.close(code, "grüße");
      const event = await end;
      same(event.code, code);
      same(event.wasClean, true);
    }
  },

  async close_by_server() {
    const socket = await open();
    const end = next(socket, "close");
    socket.send("leave!");
    const event = await end;
    same(event.code, 4001);
    same(event.reason, "as you wish");
    same(event.wasClean, true);
  },

  async refused() {
    const event = await next(new WebSocket(base + "/refused"), "close");
    same(event.code, 1006);
    same(event.wasClean, false);
  },

  async keep_alive() {
    let most = 0;
    for (let round = 0; round < 20; round++)
      most = Math.max(most, Number(await (await fetch("/count", { cache: "no-store" })).text()));
    assert(most >= 10, `${most} requests on a connection`);
  },

  async bodies() {
    for (const size of [0, 1, 100_000, 3_000_000]) {
      const sent = noise(size);
      const answer = await fetch("/body", { method: "POST", body: sent });
      const found = new Uint8Array(await answer.arrayBuffer());
      assert(found.length === size && found.every((byte, at) => byte === sent[at]), `${size} B`);
    }
    same((await fetch("/body", { method: "POST", body: "x" })).headers.get("X-Cookie"), "yes");
  },

  async streaming() {
    const reader = (await fetch("/stream")).body.getReader();
    const words = new TextDecoder();
    same(words.decode((await reader.read()).value), "one");
    same(await (await fetch("/go")).text(), "went");
    same(words.decode((await reader.read()).value), "two");
    same((await reader.read()).done, true);
  },

  async event_source() {
    const source = new EventSource("/events");
    const seen = [];
    await new Promise((resolve) => source.addEventListener("count", (event) => {
      seen.push(`${event.lastEventId}: ${event.data}`);
      if (seen.length === 3) resolve();
    }));
    source.close();
    const line = "\nsecond line";
    same(seen.join(), [`1: after none${line}`, `2: after 1${line}`, `3: after 2${line}`].join());
  },

  async many() {
    const sockets = await Promise.all(Array.from({ length: 30 }, () => open()));
    const answers = await Promise.all(sockets.map((socket, at) => echo(socket, `number ${at}`)));
    answers.forEach((answer, at) => same(answer, `number ${at}`));
    const ends = sockets.map((socket) => next(socket, "close"));
    sockets.forEach((socket) => socket.close());
    (await Promise.all(ends)).forEach((event) => same(event.wasClean, true));
  },
};

async function report(line) {
  await fetch("/report", { method: "POST", body: line });
}

let stays;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    await report(`${name} ok`);
  } catch (error) {
    await report(`${name} failed: ${error.message}`);
  }
}
stays = await open();
stays.onclose = () => report("the quiet one was closed");
await report("done");
