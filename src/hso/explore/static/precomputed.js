export async function precomputed(file) { throw new Error(file); }
