module podium/test/bench/control

go 1.26.0
