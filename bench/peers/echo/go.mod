module fastfit.dev/echoextender

go 1.26.0
