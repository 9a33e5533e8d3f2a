// Ends with the status that it is told to.
process.exitCode = Number(process.argv[3]);
