import { createServer } from 'node:http';
import { greeting } from './greeting.js';

createServer((request, response) => {
  response.end(request.url === '/health' ? 'ok\n' : `${greeting}\n`);
}).listen(8080);
process.on('SIGTERM', () => process.exit(0));
