// SPDX-License-Identifier: MIT
// The echo server of npm ws, for bench/run: node ws.mjs FOLDER-WITH-NODE_MODULES PORT
import { createRequire } from "node:module";

const { WebSocketServer } = createRequire(process.argv[2] + "/")("ws");
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[3]) });
server.on("connection", (client) => {
    client.on("message", (data, isBinary) => client.send(data, { binary: isBinary }));
});
