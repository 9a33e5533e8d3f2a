// The model `threads`: a blocking thread for each connection; with one request per connection, for each request.

import { BlockingModel, THREADS } from './blocking.js';

export const threads = new BlockingModel('threads', 'one blocking thread per connection', THREADS);
