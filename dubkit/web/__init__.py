"""``dubkit ui``: the command in a browser, its API and the jobs behind it.

serve        the command: options, folder, port, shutdown
page         Gradio's page; with form and api the only modules that import gradio
form, api    the form of the page; the API for programs
assets/      everything that moves and plays in the page; texts/, all of its words
routes       what assets/ request: uploads, jobs, files, cues
guard        who may come in, and the cookie
server       what page and routes share
fields       how the values of the form relate to options
arguments    the options that the page requests, as arguments of the command
jobs         the command as child processes, in turn
warm         a process that keeps engines loaded for jobs about one line; warm_client asks it
live/        captions of what is spoken into a microphone, or sent by a program, while it is
redaction    what is private in a sentence of the command, left out
store        every path
retranslation  a cue translated once more
drafts       cues being edited, by the functions of editing and mending; states, what the page
             shows of them
takes        lines of a dub, and which take of each is chosen
fetched      a job for the video at an address, which fetch downloads if addresses allows it
differences  what a script and the speech differ in
preview      copies of files that browsers cannot play, on demand
probing, catalog, waveform, shots, still
             child processes: what a file is, which engines are installed, how loud the audio is,
             where shots begin, how a subtitle looks on the film
"""
