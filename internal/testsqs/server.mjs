// Runs the SQS server on 127.0.0.1 until standard input closes, and prints its address.
import { buildApp } from "fauxqs";

const app = buildApp({ logger: false });
console.log(await app.listen({ host: "127.0.0.1", port: 0 }));
process.stdin.on("end", () => process.exit(0)).on("close", () => process.exit(0)).resume();
