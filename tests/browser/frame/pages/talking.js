/** Says something all the time. */

setInterval(() => parent.postMessage("still here", "*"), 20);
