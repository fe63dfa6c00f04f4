void useSlocket().then((seen) => console.log(JSON.stringify(seen)))
